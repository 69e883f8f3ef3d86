import type { SkippedInRun } from '../results/manifest'
import type { PropertySummary, RunSummary } from '../results/types'
import { PROPERTIES } from '../scoring/summarise'
import { duration, percent, table } from './format'

/** A run's numbers as a terminal shows them: percent with the base model's own in brackets. */
export function summaryTable(summary: RunSummary): string {
  const cell = ({ edited, base }: PropertySummary, edits: number) =>
    `${percent(edited.mean)} (${percent(base.mean)})${edited.cases === edits ? '' : ` n=${edited.cases}`}`
  const header = ['method', 'model', 'dataset', 'edits', ...PROPERTIES, 'ms/edit']
  const rows = summary.settings.map(({ label, model, dataset, cases, failed, properties, efficiency }) => [
    label,
    model.name,
    dataset.name,
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
  return `${table([header, ...rows], { right: [3, 4, 5, 6, 7, 8] })}\n${note}`
}

/** How many skipped records of a kind are named one by one. */
const NAMED = 5

/** Records that were left out: how many, and the first of each dataset and kind by name. */
export function skippedLines(skipped: readonly SkippedInRun[]): string[] {
  const groups = new Map<string, SkippedInRun[]>()
  for (const s of skipped) {
    const key = `${s.dataset} ${s.kind}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [s])
    else group.push(s)
  }
  return [...groups.values()].flatMap((group) => {
    const { dataset, kind } = group[0]!
    const named = group.slice(0, NAMED).map((s) => `  ${s.place}: ${s.reason}`)
    const rest = group.length > NAMED ? [`  and ${group.length - NAMED} more; manifest.json of a run names all`] : []
    const records = group.length === 1 ? 'record' : 'records'
    return [`skipped ${group.length} ${records} of ${dataset} (${kind}):`, ...named, ...rest]
  })
}
