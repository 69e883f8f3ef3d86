import { PROPERTIES, type Property } from '../datasets/types'
import type { SettingSummary } from '../harness/scoring/types'
import { drawChart, SHARES_GRID } from './chart'
import { interval, percent } from './format'

/** Retention curves: how much of a sequence of edits is kept, checkpoint by checkpoint. */

/** What the template of a run's page shows of a sequence; undefined when nothing was asked again. */
export function retentionView({ retention }: Pick<SettingSummary, 'retention'>) {
  if (retention.length === 0) return undefined
  const properties = PROPERTIES.filter((p) => retention.some((r) => r.properties[p] !== undefined))
  const rows = retention.map(({ after, properties: measured }) => ({
    after,
    cells: properties.map((p) => {
      const estimate = measured[p]?.edited
      return estimate === undefined
        ? { value: '–', interval: '' }
        : { value: percent(estimate.mean), interval: interval(estimate) }
    })
  }))
  return { properties, rows, svg: draw(retention, properties) }
}

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
