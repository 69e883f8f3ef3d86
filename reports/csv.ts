import Papa from 'papaparse'
import type { RunSummary } from '../harness/results/types'
import { COLUMNS } from './leaderboard'

/** Every setting of every run as one line of a CSV file, shares from 0 to 1, empty where nothing was measured. */
export function resultsCsv(runs: readonly RunSummary[]): string {
  const rows = runs.flatMap(({ id, startedAt, settings }) =>
    settings.map(({ method, model, dataset, cases, failed, properties, probability, efficiency }) => ({
      run: id,
      started: startedAt,
      method: method.name,
      family: method.family,
      model: model.name,
      dataset: dataset.name,
      source: dataset.source,
      cases,
      failed: failed.length,
      ...Object.fromEntries(
        COLUMNS.flatMap((property) => {
          const p = properties[property]
          return [
            [property, p?.edited.mean],
            [`${property}_low`, p?.edited.low],
            [`${property}_high`, p?.edited.high],
            [`${property}_base`, p?.base.mean],
            [`${property}_tokens`, p?.tokenShare.mean]
          ]
        })
      ),
      score: probability?.edited.S,
      edit_ms_median: efficiency.msPerEdit.median,
      setup_ms: efficiency.setupMs,
      flops_per_edit: efficiency.flopsPerEdit,
      peak_bytes: efficiency.peakBytes,
      bytes_per_edit: efficiency.bytesPerEdit,
      batch: efficiency.supportsBatch
    }))
  )
  // A name that begins like a formula must not become one in a spreadsheet.
  return `${Papa.unparse(rows, { escapeFormulae: true, newline: '\n' })}\n`
}
