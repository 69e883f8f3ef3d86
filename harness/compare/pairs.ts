import { groupBy } from '../group-by'
import type { AnswerRow, EditRow } from '../results/rows'

/** The same question in two runs. */
export interface Pair {
  readonly base: AnswerRow
  readonly run: AnswerRow
  /** Of its case, the same in both. */
  readonly caseKey: string
}

interface Rows {
  readonly answers: readonly AnswerRow[]
  readonly edits: readonly EditRow[]
}

/**
 * Questions that both sides asked: of cases that write the same (prompt, subject, target), the same question (property, kind, prompt) when as many
 * cases were edited into the model. Cases and questions that say the same are told apart by their order.
 */
export function pairAnswers(base: Rows, run: Rows): { questions: Pair[]; note: string | null } {
  const [baseCases, runCases] = [caseKeys(base.edits), caseKeys(run.edits)]
  const answered = keyed(base.answers, baseCases)
  const questions: Pair[] = []
  let alone = 0
  for (const [key, row] of keyed(run.answers, runCases)) {
    const other = answered.get(key)
    if (other === undefined) alone++
    else questions.push({ base: other, run: row, caseKey: runCases.get(row.caseId)! })
  }
  const others = answered.size - questions.length
  const left = [
    ...(others > 0 ? [`${others} answers of the baseline`] : []),
    ...(alone > 0 ? [`${alone} answers of the run`] : [])
  ]
  return { questions, note: left.length === 0 ? null : `without ${left.join(' and ')} that the other does not have` }
}

/** What each case writes, by its id. */
function caseKeys(edits: readonly EditRow[]): Map<string, string> {
  const times = new Map<string, number>()
  return new Map(
    edits.map(({ caseId, prompt, subject, target }) => {
      const content = `${prompt}\0${subject}\0${target}`
      const nth = (times.get(content) ?? 0) + 1
      times.set(content, nth)
      return [caseId, `${content}\0${nth}`]
    })
  )
}

function keyed(answers: readonly AnswerRow[], cases: ReadonlyMap<string, string>): Map<string, AnswerRow> {
  const rows = new Map<string, AnswerRow>()
  const times = new Map<string, number>()
  for (const row of answers) {
    // At once a case is asked when it comes, wherever that is.
    const when = row.checkpoint ? row.held : ''
    const content = `${cases.get(row.caseId)}\0${when}\0${row.property}\0${row.kind}\0${row.prompt}`
    const nth = (times.get(content) ?? 0) + 1
    times.set(content, nth)
    rows.set(`${content}\0${nth}`, row)
  }
  return rows
}

/** Every case's share of right answers on both sides; questions that ask one thing in several ways count once. */
export function pairRightness(questions: readonly Pair[]): { base: number; run: number }[] {
  return [...groupBy(questions, (q) => q.caseKey).values()].map((own) => {
    const asked = groupBy(own, (q) => (q.run.anyOf === null ? q : q.run.anyOf))
    const share = (side: 'base' | 'run') =>
      [...asked.values()].filter((ways) => ways.some((q) => q[side].exactAfter)).length / asked.size
    return { base: share('base'), run: share('run') }
  })
}
