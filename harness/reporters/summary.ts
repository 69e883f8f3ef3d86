import { PROPERTIES } from '../../datasets/types'
import { groupBy } from '../group-by'
import type { SkippedInRun } from '../results/manifest'
import type { PropertySummary, RunSummary } from '../scoring/types'
import { duration, percent, table } from '../terminal'

/** A run's numbers as a terminal shows them: percent with the base model's own in brackets. */
export function summaryTable(summary: RunSummary): string {
  const cell = ({ edited, base }: PropertySummary, edits: number) =>
    `${percent(edited.mean)} (${percent(base.mean)})${edited.cases === edits ? '' : ` n=${edited.cases}`}`
  // Nothing but single edits is the usual, and goes without saying.
  const protocols = summary.settings.some((s) => s.protocol !== 'single')
  const header = ['method', 'model', 'dataset', ...(protocols ? ['protocol'] : []), 'edits', ...PROPERTIES, 'ms/edit']
  const rows = summary.settings.map(({ label, model, dataset, protocol, cases, failed, properties, efficiency }) => [
    label,
    model.name,
    dataset.name,
    ...(protocols ? [protocol] : []),
    String(cases - failed.length),
    ...PROPERTIES.map((p) => {
      const measured = properties[p]
      return measured === undefined ? '-' : cell(measured, cases - failed.length)
    }),
    efficiency.msPerEdit?.median.toFixed(0) ?? '-'
  ])
  const note = [
    'exact match in percent, in brackets the model before the edit; n: edits with such a question, where not all have one;',
    `ms/edit: median; ${duration(summary.seconds)} in all`
  ].join('\n')
  const further = summary.settings.flatMap(({ label, model, dataset, protocol, measures }) =>
    measures.flatMap(({ headline, title, unit, values }) => {
      const show = unit === 'share' ? percent : (value: number) => value.toPrecision(3)
      const about = [label, model.name, dataset.name, ...(protocols ? [protocol] : [])]
      const numbers = values.map((v) => `${v.label} ${show(v.edited.mean)} (${show(v.base.mean)})`)
      return headline ? [[...about, `${title}: ${numbers.join(', ')}`]] : []
    })
  )
  const measures = further.length === 0 ? '' : `${table(further)}\n`
  return `${table([header, ...rows], { right: header.flatMap((_, i) => (i > header.indexOf('edits') - 1 ? [i] : [])) })}\n${measures}${note}`
}

/** How many skipped records of a kind are named one by one. */
const NAMED = 5

/** Records that were left out: how many, and the first of each dataset and kind by name. */
export function skippedLines(skipped: readonly SkippedInRun[]): string[] {
  const groups = groupBy(skipped, (r) => `${r.dataset} ${r.kind}`)
  return [...groups.values()].flatMap((group) => {
    const { dataset, kind } = group[0]!
    const named = group.slice(0, NAMED).map((s) => `  ${s.place}: ${s.reason}`)
    const rest = group.length > NAMED ? [`  and ${group.length - NAMED} more; manifest.json of a run names all`] : []
    const records = group.length === 1 ? 'record' : 'records'
    return [`skipped ${group.length} ${records} of ${dataset} (${kind}):`, ...named, ...rest]
  })
}
