import Papa from 'papaparse'
import { ANSWERED_APART, PROPERTIES } from '../datasets/types'
import type { AnswerRow } from '../harness/results/rows'
import type { RunSummary } from '../harness/scoring/types'

/**
 * A text that begins like a formula must not become one in a spreadsheet, on whatever lines it goes on; what the library looks for by
 * itself misses texts of several lines.
 */
const FORMULA = /^\s*[=+\-@\t\r\n＝＋－＠]/

export const unparse = (rows: readonly object[], header: boolean): string =>
  rows.length === 0 ? '' : `${Papa.unparse([...rows], { escapeFormulae: FORMULA, newline: '\n', header })}\n`

/** Every setting of every run as one line of a table, shares from 0 to 1, undefined where nothing was measured. */
export function resultRecords(runs: readonly RunSummary[]): Record<string, unknown>[] {
  return runs.flatMap(({ id, startedAt, machine, settings }) =>
    settings.map(
      ({ label, method, model, dataset, protocol, cases, failed, properties, kinds, measures, efficiency }) => ({
        run: id,
        started: startedAt,
        label,
        method: method.name,
        hyperparameters: JSON.stringify(method.hyperparameters),
        family: method.family,
        model: model.name,
        model_hash: model.hash,
        dataset: dataset.name,
        source: dataset.source,
        dataset_options: JSON.stringify(dataset.options),
        dataset_hash: dataset.hash,
        protocol,
        cases,
        failed: failed.length,
        skipped_malformed: dataset.skipped.malformed,
        skipped_no_edit: dataset.skipped.noEdit,
        ...Object.fromEntries(
          PROPERTIES.flatMap((property) => {
            const p = properties[property]
            return [
              [`${property}_exact_match`, p?.edited.mean],
              [`${property}_exact_match_low95`, p?.edited.low],
              [`${property}_exact_match_high95`, p?.edited.high],
              [`${property}_edits`, p?.edited.cases],
              [`${property}_exact_match_unedited`, p?.base.mean],
              [`${property}_token_share`, p?.tokenShare.mean],
              [`${property}_right_but_longer`, p?.longer],
              [`${property}_base_knows`, p?.granted?.known.mean],
              [`${property}_exact_match_where_known`, p?.granted?.edited?.mean]
            ]
          })
        ),
        ...Object.fromEntries(
          ANSWERED_APART.map((kind) => [
            `${kind.replaceAll('-', '_')}_exact_match`,
            kinds.find((k) => k.kind === kind)?.edited.mean
          ])
        ),
        counterfact_score: measures.find((m) => m.name === 'probability')?.composite?.edited,
        edit_ms_median: efficiency.msPerEdit?.median,
        edit_ms_mean: efficiency.msPerEdit?.mean,
        edits_computed_together: efficiency.together,
        setup_ms: efficiency.setup.ms,
        training_ms: efficiency.setup.training?.ms,
        setup_from_cache: efficiency.setup.parts.length > 0 && efficiency.setup.parts.every((p) => p.how === 'cached'),
        matrix_flops_per_edit: efficiency.flopsPerEdit,
        peak_tensor_bytes_while_editing: efficiency.peakBytes,
        stored_bytes_per_edit: efficiency.bytesPerEdit,
        edit_holds_many_facts: efficiency.holdsMany,
        cpu: machine.cpu,
        backend: machine.backend
      })
    )
  )
}

/** The same as a CSV file, empty where nothing was measured. */
export const resultsCsv = (runs: readonly RunSummary[]): string => unparse(resultRecords(runs), true)

/** An answer as one line of a table. */
export const answerRecord = (a: AnswerRow): Record<string, unknown> => ({
  setting: a.setting,
  case: a.caseId,
  property: a.property,
  kind: a.kind,
  prompt: a.prompt,
  expected: a.expected,
  unedited_model_says: a.before,
  edited_model_says: a.after,
  right_before: a.exactBefore,
  right_after: a.exactAfter,
  right_but_longer: a.longerAfter,
  cases_held: a.held,
  asked_again: a.checkpoint,
  scores: JSON.stringify(a.scores),
  unedited_model_says_freely: a.freeBefore ?? '',
  edited_model_says_freely: a.freeAfter ?? ''
})

const ANSWERS_A_PIECE = 5000

/** Every answer of a run as CSV, a piece at a time. */
export function* answersCsv(answers: Iterable<AnswerRow>): Generator<string> {
  let piece: object[] = []
  let header = true
  for (const a of answers) {
    piece.push(answerRecord(a))
    if (piece.length < ANSWERS_A_PIECE) continue
    yield unparse(piece, header)
    piece = []
    header = false
  }
  yield unparse(piece, header)
}
