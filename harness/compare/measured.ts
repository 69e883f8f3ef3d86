import { APART, PROPERTIES, type Property } from '../../datasets/types'
import type { AnswerRow } from '../results/rows'
import { mean } from '../scoring/intervals'
import { MEASURES, type Measure } from '../scoring/measures'
import type { Pairs, Rightness } from './pairs'
import type { ComparedAnswers } from './rows'

/** A measure of a property, of the cases that both runs have. */
export interface MeasuredLine extends Rightness {
  readonly measure: Measure
  /** What its mean is called. */
  readonly label: string
  readonly property: Property
}

/**
 * The headline measures that both settings have, case by case as the summary takes them: the mean of a case's questions, the best of their ways, or the
 * least of all of them.
 */
export function measuredLines(
  names: readonly string[],
  pairs: Pairs,
  some: readonly number[],
  base: ComparedAnswers,
  run: ComparedAnswers
): MeasuredLine[] {
  const measures = MEASURES.filter((m) => m.headline === true && names.includes(m.name))
  return measures.flatMap((measure) => {
    const about = some.filter((i) => {
      const kind = run.kind.get(pairs.run[i]!)
      return measure.about === undefined ? !APART.includes(kind) : measure.about.includes(kind)
    })
    const all = measure.allUnder
    const properties = all === undefined ? PROPERTIES : [all]
    return properties.flatMap((property): MeasuredLine[] => {
      const own = all === undefined ? about.filter((i) => run.property.get(pairs.run[i]!) === property) : about
      const values = valuesOfCases(measure, pairs, own, base, run)
      const label = measure.labels?.[property] ?? property
      return values.base.length === 0 ? [] : [{ measure, label, property, ...values }]
    })
  })
}

function valuesOfCases(
  measure: Measure,
  pairs: Pairs,
  some: readonly number[],
  base: ComparedAnswers,
  run: ComparedAnswers
): Rightness {
  const values: { base: number[]; run: number[] } = { base: [], run: [] }
  for (let i = 0; i < some.length; ) {
    const of = pairs.cases[some[i]!]!
    const questions = { base: new Map<string, number>(), run: new Map<string, number>() }
    for (; i < some.length && pairs.cases[some[i]!] === of; i++) {
      const [a, b] = [pairs.base[some[i]!]!, pairs.run[some[i]!]!]
      const [before, after] = [measure.value(rowOf(base, a), 'after'), measure.value(rowOf(run, b), 'after')]
      if (before === undefined || after === undefined) continue
      const anyOf = measure.eachWay === true ? null : run.anyOf.get(b)
      const key = anyOf === null ? `${i}` : `any of ${anyOf}`
      const best = measure.higherIsBetter ? Math.max : Math.min
      questions.base.set(key, best(before, questions.base.get(key) ?? before))
      questions.run.set(key, best(after, questions.run.get(key) ?? after))
    }
    if (questions.run.size === 0) continue
    const ofCase = (all: Iterable<number>) => (measure.allUnder === undefined ? mean(all) : Math.min(...all))
    values.base.push(ofCase(questions.base.values()))
    values.run.push(ofCase(questions.run.values()))
  }
  return { base: Float64Array.from(values.base), run: Float64Array.from(values.run) }
}

/** What measures read of a row. */
const rowOf = (answers: ComparedAnswers, row: number): AnswerRow =>
  ({
    property: answers.property.get(row),
    kind: answers.kind.get(row),
    exactAfter: answers.exactAfter.get(row),
    shareAfter: answers.shareAfter.get(row),
    scores: answers.scores.get(row)
  }) as AnswerRow

/** Differences, better ones above zero. A model whose numbers overflow is as bad as the worst difference that is a number. */
export function gains({ measure, base, run }: MeasuredLine): Float64Array {
  const sign = measure.higherIsBetter ? 1 : -1
  const plain = run.map((value, i) => sign * (value - base[i]!))
  const most = plain.reduce((m, d) => (Number.isFinite(d) ? Math.max(m, Math.abs(d)) : m), 0) || 1
  return plain.map((d) => (Number.isNaN(d) ? 0 : Number.isFinite(d) ? d : Math.sign(d) * most))
}
