import type { Estimate, RunSummary } from '../results/types'
import { PROPERTIES } from '../scoring/summarise'
import { duration, percent, table } from './format'

/** A run's numbers as a terminal shows them: percent with the base model's own in brackets. */
export function summaryTable(summary: RunSummary): string {
  const cell = (edited: Estimate, base: Estimate) => `${percent(edited.mean)} (${percent(base.mean)})`
  const header = ['method', 'model', 'dataset', 'edits', ...PROPERTIES, 'ms/edit']
  const rows = summary.settings.map(({ method, model, dataset, cases, failed, properties, efficiency }) => [
    method.name,
    model.name,
    dataset.name,
    String(cases - failed.length),
    ...PROPERTIES.map((p) => {
      const measured = properties[p]
      return measured === undefined ? '-' : cell(measured.edited, measured.base)
    }),
    efficiency.msPerEdit.mean.toFixed(0)
  ])
  const note = `exact match in percent, in brackets the model before the edit; ${duration(summary.seconds)} in all`
  return `${table([header, ...rows], { right: [3, 4, 5, 6, 7, 8] })}\n${note}`
}
