import { PROPERTIES, type Property } from '../datasets/types'
import type { Estimate, SettingSummary } from '../harness/scoring/types'
import { drawChart, SHARES_GRID } from './chart'
import { interval, percent, showOf } from './format'

/** Retention curves: how much of a sequence of edits is kept, checkpoint by checkpoint. */

/** What the template of a run's page shows of a sequence; undefined when nothing was asked again. */
export function retentionView({ retention }: Pick<SettingSummary, 'retention'>) {
  if (retention.length === 0) return undefined
  const properties = PROPERTIES.filter((p) => retention.some((r) => r.properties[p] !== undefined))
  // Of measures the headlines: perplexity, general ability.
  const measured = retention
    .at(-1)!
    .measures.filter((m) => m.headline)
    .flatMap((m) => m.values.map((v) => ({ m, v })))
  const rows = retention.map(({ after, properties: values, measures }) => ({
    after,
    cells: [
      ...properties.map((p) => cell(values[p]?.edited)),
      ...measured.map(({ m, v }) => {
        const own = measures.find((x) => x.name === m.name)?.values.find((x) => x.property === v.property)
        return cell(own?.edited, showOf(m.unit))
      })
    ]
  }))
  const base = [...properties.map(() => ''), ...measured.map(({ m, v }) => showOf(m.unit)(v.base.mean))]
  const columns = [
    ...properties.map((p) => `${p} %`),
    ...measured.map(({ m, v }) => `${m.title}: ${v.label}${m.unit === 'share' ? ' %' : ''}`)
  ]
  return { columns, rows, base: measured.length === 0 ? undefined : base, svg: draw(retention, properties) }
}

const cell = (estimate: Estimate | undefined, show: (value: number) => string = percent) =>
  estimate === undefined
    ? { value: '–', interval: '' }
    : { value: show(estimate.mean), interval: interval(estimate, show) }

function draw(retention: SettingSummary['retention'], properties: readonly Property[]): string {
  const ends = retention.map((r) => r.after)
  const [least, most] = [Math.log10(ends[0]!), Math.log10(ends.at(-1)!)]
  // Edits by their order of magnitude: what is lost is lost early or late.
  const x = (after: number) => (most === least ? 0.5 : (Math.log10(after) - least) / (most - least))
  return drawChart({
    title: `Share of right answers by the number of edits in the model: ${properties.join(', ')}`,
    axis: 'edits in the model',
    ticks: ends.map((after) => ({ x: x(after), text: String(after) })),
    grid: SHARES_GRID,
    lines: properties.map((name) => ({
      name,
      points: retention.flatMap(({ after, properties: measured }) => {
        const edited = measured[name]?.edited
        if (edited === undefined) return []
        const { mean, low, high } = edited
        const about = `${name} after ${after}: ${percent(mean)} % (${interval(edited)})`
        return [{ x: x(after), y: mean, low, high, about }]
      })
    }))
  })
}
