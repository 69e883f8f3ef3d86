import { groupBy } from '../group-by'
import type { ComparedAnswers, ComparedEdit } from './rows'
import { Tally } from './tally'

/** The same questions in two runs: pair i is row `base[i]` of the baseline and row `run[i]` of the run. */
export interface Pairs {
  readonly base: Int32Array
  readonly run: Int32Array
  /** The number of each pair's case; pairs of a case follow each other. */
  readonly cases: Int32Array
  /** What was left out, when something was. */
  readonly note: string | null
}

/** The answers of a setting in one of the runs. */
export interface Side {
  readonly answers: ComparedAnswers
  /** Which of them are of the setting. */
  readonly rows: readonly number[]
  readonly edits: readonly ComparedEdit[]
}

/**
 * Questions that both sides asked: of cases that write the same (prompt, subject, target), the same question (property, kind, prompt) when as many
 * cases were edited into the model. Cases and questions that say the same are told apart by their order.
 */
export function pairAnswers(base: Side, run: Side): Pairs {
  const most = Math.min(base.rows.length, run.rows.length)
  const pairs = { base: new Int32Array(most), run: new Int32Array(most), cases: new Int32Array(most) }
  let count = 0
  const [baseCases, runCases] = [rowsByCase(base), rowsByCase(run)]
  const asksSame = sameQuestion(base.answers, run.answers)
  let number = 0
  for (const [caseKey, own] of runCases) {
    // Questions of a case are few, and mostly in the same order: the search begins where the last one ended.
    const others = baseCases.get(caseKey) ?? []
    const taken = new Uint8Array(others.length)
    let at = 0
    for (const row of own) {
      for (let tried = 0; tried < others.length; tried++, at++) {
        if (at >= others.length) at = 0
        const other = others[at]!
        if (taken[at] === 1 || !asksSame(other, row)) continue
        taken[at] = 1
        pairs.base[count] = other
        pairs.run[count] = row
        pairs.cases[count++] = number
        at++
        break
      }
    }
    number++
  }
  const missing = (rows: readonly number[], whose: string) =>
    rows.length > count ? [`${rows.length - count} answers of the ${whose}`] : []
  const left = [...missing(base.rows, 'baseline'), ...missing(run.rows, 'run')]
  return {
    base: pairs.base.subarray(0, count),
    run: pairs.run.subarray(0, count),
    cases: pairs.cases.subarray(0, count),
    note: left.length === 0 ? null : `without ${left.join(' and ')} that the other does not have`
  }
}

/** Whether two rows ask the same. At once a case is asked when it comes, wherever that is. */
function sameQuestion(base: ComparedAnswers, run: ComparedAnswers) {
  const equal = (column: 'property' | 'kind' | 'checkpoint' | 'held' | 'prompt', a: number, b: number) =>
    base[column].get(a) === run[column].get(b)
  return (a: number, b: number): boolean =>
    equal('property', a, b) &&
    equal('kind', a, b) &&
    equal('checkpoint', a, b) &&
    (!run.checkpoint.get(b) || equal('held', a, b)) &&
    equal('prompt', a, b)
}

/** Rows by what their case writes. */
function rowsByCase({ answers, rows, edits }: Side): Map<string | undefined, number[]> {
  const times = new Map<string, number>()
  const keys = new Map(
    edits.map(({ caseId, prompt, subject, target }) => {
      const content = `${prompt}\0${subject}\0${target}`
      const nth = (times.get(content) ?? 0) + 1
      times.set(content, nth)
      return [caseId, `${content}\0${nth}`]
    })
  )
  return groupBy(rows, (row) => keys.get(answers.caseId.get(row)))
}

/** The shares of right answers of some cases, in both runs. */
export interface Rightness {
  readonly base: Float64Array
  readonly run: Float64Array
}

/**
 * Every case's share of right answers on both sides.
 * @param some which pairs
 */
export function pairRightness(
  pairs: Pairs,
  some: readonly number[],
  base: ComparedAnswers,
  run: ComparedAnswers
): Rightness {
  const shares: { base: number[]; run: number[] } = { base: [], run: [] }
  for (let i = 0; i < some.length; ) {
    const of = pairs.cases[some[i]!]!
    const tallies = { base: new Tally(), run: new Tally() }
    for (; i < some.length && pairs.cases[some[i]!] === of; i++) {
      const [a, b] = [pairs.base[some[i]!]!, pairs.run[some[i]!]!]
      const anyOf = run.anyOf.get(b)
      tallies.base.add(anyOf, base.exactAfter.get(a))
      tallies.run.add(anyOf, run.exactAfter.get(b))
    }
    shares.base.push(tallies.base.share)
    shares.run.push(tallies.run.share)
  }
  return { base: Float64Array.from(shares.base), run: Float64Array.from(shares.run) }
}
