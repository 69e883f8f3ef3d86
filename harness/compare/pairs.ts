import { groupBy } from '../group-by'
import type { ComparedAnswer, ComparedEdit } from './rows'

/** The same question in two runs. */
export interface Pair {
  readonly base: ComparedAnswer
  readonly run: ComparedAnswer
  /** Of its case, the same in both. */
  readonly caseKey: string
}

interface Rows {
  readonly answers: readonly ComparedAnswer[]
  readonly edits: readonly ComparedEdit[]
}

/**
 * Questions that both sides asked: of cases that write the same (prompt, subject, target), the same question (property, kind, prompt) when as many
 * cases were edited into the model. Cases and questions that say the same are told apart by their order.
 */
export function pairAnswers(base: Rows, run: Rows): { questions: Pair[]; note: string | null } {
  const [baseCases, runCases] = [caseKeys(base.edits), caseKeys(run.edits)]
  const baseRows = groupBy(base.answers, (r) => baseCases.get(r.caseId))
  const questions: Pair[] = []
  for (const [caseKey, own] of groupBy(run.answers, (r) => runCases.get(r.caseId))) {
    // Questions of a case are few, and mostly in the same order: the search begins where the last one ended.
    const others = baseRows.get(caseKey) ?? []
    const taken = new Uint8Array(others.length)
    let at = 0
    for (const row of own) {
      for (let tried = 0; tried < others.length; tried++, at++) {
        if (at >= others.length) at = 0
        const other = others[at]!
        if (taken[at] === 1 || !same(other, row)) continue
        taken[at] = 1
        questions.push({ base: other, run: row, caseKey: caseKey! })
        at++
        break
      }
    }
  }
  const left = [
    ...(base.answers.length > questions.length
      ? [`${base.answers.length - questions.length} answers of the baseline`]
      : []),
    ...(run.answers.length > questions.length ? [`${run.answers.length - questions.length} answers of the run`] : [])
  ]
  return { questions, note: left.length === 0 ? null : `without ${left.join(' and ')} that the other does not have` }
}

/** Whether two rows ask the same. At once a case is asked when it comes, wherever that is. */
const same = (a: ComparedAnswer, b: ComparedAnswer): boolean =>
  a.property === b.property &&
  a.kind === b.kind &&
  a.checkpoint === b.checkpoint &&
  (!a.checkpoint || a.held === b.held) &&
  a.prompt === b.prompt

/** What each case writes, by its id. */
function caseKeys(edits: readonly ComparedEdit[]): Map<string, string> {
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

/** Every case's share of right answers on both sides; questions that ask one thing in several ways count once. */
export function pairRightness(questions: readonly Pair[]): { base: number; run: number }[] {
  return [...groupBy(questions, (q) => q.caseKey).values()].map((own) => {
    const asked = groupBy(own, (q) => (q.run.anyOf === null ? q : q.run.anyOf))
    const share = (side: 'base' | 'run') =>
      [...asked.values()].filter((ways) => ways.some((q) => q[side].exactAfter)).length / asked.size
    return { base: share('base'), run: share('run') }
  })
}
