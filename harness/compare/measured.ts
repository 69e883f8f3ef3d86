import { APART, PROPERTIES, type Property } from '../../datasets/types'
import { groupBy } from '../group-by'
import type { Columns } from '../results/columns'
import type { AnswerRow } from '../results/rows'
import { MEASURES, type Measure } from '../scoring/measures'
import { mean } from '../statistics/intervals'
import type { Pairs, Rightness } from './pairs'
import type { ComparedAnswers } from './rows'

/** What measures read of answers. */
type MeasuredColumns = Columns<
  AnswerRow,
  'caseId' | 'property' | 'kind' | 'anyOf' | 'exactAfter' | 'shareAfter' | 'scores'
>

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
      return isAbout(measure, kind)
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
      addWay(measure, questions.base, i, run.anyOf.get(b), before)
      addWay(measure, questions.run, i, run.anyOf.get(b), after)
    }
    if (questions.run.size === 0) continue
    values.base.push(ofCase(measure, questions.base.values()))
    values.run.push(ofCase(measure, questions.run.values()))
  }
  return { base: Float64Array.from(values.base), run: Float64Array.from(values.run) }
}

/** A headline measure of a property, case by case, of one run. */
export interface MeasuredValues {
  readonly measure: Measure
  /** `accuracy, PPL`. */
  readonly what: string
  readonly values: ReadonlyMap<string, number>
}

/** The headline measures of a setting's rows. */
export function measuredValues(
  names: readonly string[],
  answers: MeasuredColumns,
  rows: readonly number[]
): MeasuredValues[] {
  const cases = [...groupBy(rows, (i) => answers.caseId.get(i))]
  return MEASURES.filter((m) => m.headline === true && names.includes(m.name)).flatMap((measure) =>
    (measure.allUnder === undefined ? PROPERTIES : [measure.allUnder]).flatMap((property) => {
      const values = cases.flatMap(([caseId, own]): [string, number][] => {
        const questions = new Map<string, number>()
        for (const i of own) {
          if (!isAbout(measure, answers.kind.get(i))) continue
          if (measure.allUnder === undefined && answers.property.get(i) !== property) continue
          const value = measure.value(rowOf(answers, i), 'after')
          if (value !== undefined) addWay(measure, questions, i, answers.anyOf.get(i), value)
        }
        return questions.size === 0 ? [] : [[caseId, ofCase(measure, questions.values())]]
      })
      if (values.length === 0) return []
      const label = measure.labels?.[property] ?? property
      return [{ measure, what: label === property ? property : `${property}, ${label}`, values: new Map(values) }]
    })
  )
}

/** Of questions that ask one thing in several ways the best counts. */
function addWay(
  { eachWay, higherIsBetter }: Measure,
  questions: Map<string, number>,
  row: number,
  group: string | null,
  value: number
): void {
  const key = eachWay === true || group === null ? `${row}` : `any of ${group}`
  const best = higherIsBetter ? Math.max : Math.min
  questions.set(key, best(value, questions.get(key) ?? value))
}

const ofCase = ({ allUnder }: Measure, values: Iterable<number>): number =>
  allUnder === undefined ? mean(values) : Math.min(...values)

const isAbout = ({ about }: Measure, kind: string): boolean =>
  about === undefined ? !APART.includes(kind) : about.includes(kind)

/** What measures read of a row. */
const rowOf = (answers: Omit<MeasuredColumns, 'length' | 'caseId' | 'anyOf'>, row: number): AnswerRow =>
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
