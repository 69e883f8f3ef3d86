import { APART, PROPERTIES, type Property, WRITTEN } from '../../datasets/types'
import type { Setup } from '../results/manifest'
import type { AnswerRow, EditRow } from '../results/rows'
import { estimate, mean, median } from '../statistics/intervals'
import { type Grading, gradeOf } from './grade'
import { BASE_KNOWS, exactMatch, type Measure, type Side, tokenMatch } from './measures'
import type {
  AnswersSummary,
  CheckpointSummary,
  EfficiencySummary,
  Estimate,
  KindSummary,
  MeasureSummary,
  PropertySummary
} from './types'

export interface SummaryOptions {
  readonly seed: number
  readonly resamples: number
  readonly grading: Grading
  /** Measures reported besides exact match and token match. */
  readonly measures: readonly Measure[]
}

/** What answers come to: macro averages (mean of a case's probes, then over cases; equations 5.1-5.4 of the book). */
export function summariseAnswers(answers: readonly AnswerRow[], options: SummaryOptions): AnswersSummary {
  const properties: Partial<Record<Property, PropertySummary>> = {}
  const kinds: KindSummary[] = []
  for (const property of PROPERTIES) {
    const rows = answers.filter((r) => r.property === property)
    const together = rows.filter((r) => !APART.includes(r.kind))
    if (together.length > 0) {
      const summary = shares(together, options)
      const graded = !options.measures.some((m) => m.ungraded?.includes(property))
      properties[property] = graded
        ? { ...summary, grade: gradeOf(property, summary.tokenShare.mean, options.grading) }
        : summary
    }
    for (const kind of new Set(rows.map((r) => r.kind).filter((k) => !WRITTEN.includes(k)))) {
      const ofKind = rows.filter((r) => r.kind === kind)
      kinds.push({ property, kind, ...shares(ofKind, options) })
    }
  }
  return {
    cases: new Set(answers.map((r) => r.caseId)).size,
    properties,
    kinds,
    measures: options.measures.flatMap((measure) => summariseMeasure(answers, measure, options))
  }
}

/** The edits of a sequence that were asked again, checkpoint by checkpoint. */
export function summariseRetention(answers: readonly AnswerRow[], options: SummaryOptions): CheckpointSummary[] {
  const again = answers.filter((r) => r.checkpoint)
  const checkpoints = [...new Set(again.map((r) => r.held))].sort((a, b) => a - b)
  return checkpoints.map((after) => {
    const asked = again.filter((r) => r.held === after)
    const rows = asked.filter((r) => !APART.includes(r.kind))
    const of = (property: Property) => rows.filter((r) => r.property === property)
    const measured = PROPERTIES.filter((property) => of(property).length > 0)
    return {
      after,
      properties: Object.fromEntries(measured.map((p) => [p, shares(of(p), options)])),
      measures: options.measures.flatMap((measure) => summariseMeasure(asked, measure, options))
    }
  })
}

function shares(rows: readonly AnswerRow[], options: SummaryOptions): Omit<PropertySummary, 'grade'> {
  return {
    edited: macro(rows, exactMatch, 'after', options)!,
    base: macro(rows, exactMatch, 'before', options)!,
    tokenShare: macro(rows, tokenMatch, 'after', options)!,
    baseTokenShare: macro(rows, tokenMatch, 'before', options)!,
    ...grantedOf(rows, options),
    right: rows.filter((r) => r.exactAfter).length,
    longer: rows.filter((r) => r.longerAfter).length,
    probes: rows.length
  }
}

/** Of the questions that take something for granted. */
function grantedOf(rows: readonly AnswerRow[], options: SummaryOptions): Pick<PropertySummary, 'granted'> {
  const known = macro(rows, baseKnows, 'before', options)
  if (known === undefined) return {}
  const edited = macro(
    rows.filter((r) => r.scores[BASE_KNOWS] === 1),
    exactMatch,
    'after',
    options
  )
  return { granted: { known, ...(edited === undefined ? {} : { edited }) } }
}

const baseKnows = {
  value: (row: AnswerRow) => row.scores[BASE_KNOWS],
  higherIsBetter: true,
  bounds: [0, 1]
} as const

/** Kinds that are reported apart are no part of any measure but their own. */
const isAbout = ({ about }: Measure, { kind }: AnswerRow): boolean =>
  about === undefined ? !APART.includes(kind) : about.includes(kind)

function summariseMeasure(answers: readonly AnswerRow[], measure: Measure, options: SummaryOptions): MeasureSummary[] {
  const values = PROPERTIES.flatMap((property) => {
    if (measure.allUnder !== undefined && measure.allUnder !== property) return []
    const rows = answers.filter(
      (r) => isAbout(measure, r) && (measure.allUnder !== undefined || r.property === property)
    )
    const of = (side: Side) => (measure.pooled === undefined ? macro : pooled)(rows, measure, side, options)
    const [edited, base] = [of('after'), of('before')]
    if (edited === undefined || base === undefined) return []
    return [{ property, label: measure.labels?.[property] ?? property, edited, base }]
  })
  if (values.length === 0) return []
  const composed = (side: 'edited' | 'base') =>
    measure.composite?.of(Object.fromEntries(values.map((v) => [v.property, v[side].mean])))
  const [edited, base] = [composed('edited'), composed('base')]
  const { name, title, unit, headline = false } = measure
  const about = { name, title, unit, headline }
  if (edited === undefined || base === undefined) return [{ ...about, values }]
  return [{ ...about, values, composite: { label: measure.composite!.label, edited, base } }]
}

/** Mean over cases of the mean over a case's questions; questions that ask one thing in several ways count once, by the best of them. */
function macro(
  rows: readonly AnswerRow[],
  measure: Pick<Measure, 'value' | 'higherIsBetter' | 'bounds' | 'eachWay' | 'allUnder'>,
  side: Side,
  { seed, resamples }: SummaryOptions
): Estimate | undefined {
  const byCase = new Map<string, Map<string, number>>()
  for (const row of rows) {
    const value = measure.value(row, side)
    if (value === undefined) continue
    const questions = byCase.get(row.caseId) ?? new Map<string, number>()
    byCase.set(row.caseId, questions)
    const question =
      row.anyOf === null || measure.eachWay === true ? `${row.probe}` : `any of ${row.property} ${row.anyOf}`
    const before = questions.get(question)
    const better = measure.higherIsBetter ? Math.max : Math.min
    questions.set(question, before === undefined ? value : better(before, value))
  }
  const ofCase = (values: readonly number[]) => (measure.allUnder === undefined ? mean(values) : Math.min(...values))
  const perCase = [...byCase.values()].map((questions) => ofCase([...questions.values()]))
  return estimate(perCase, { seed, resamples, bounds: measure.bounds })
}

/** All answers together, each by its weight. */
function pooled(
  rows: readonly AnswerRow[],
  { pooled: by, bounds }: Measure,
  side: Side,
  { seed, resamples }: SummaryOptions
): Estimate | undefined {
  const byCase = new Map<string, { sum: number; weight: number }>()
  for (const row of rows) {
    const value = by!.value(row, side)
    if (value === undefined) continue
    const own = byCase.get(row.caseId) ?? { sum: 0, weight: 0 }
    byCase.set(row.caseId, { sum: own.sum + by!.weight(row) * value, weight: own.weight + by!.weight(row) })
  }
  const cases = [...byCase.values()].filter((c) => c.weight > 0)
  const values = cases.map((c) => c.sum / c.weight)
  const weights = cases.map((c) => c.weight)
  return estimate(values, { seed, resamples, bounds, weights, of: (mean) => by!.of(mean) })
}

/** What of an edit's row its costs are. */
type Costs = Pick<EditRow, 'editMs' | 'together' | 'flops' | 'peakBytes' | 'editBytes'>

/** What the edits cost; failed ones are left out. */
export function summariseEfficiency(edits: readonly Costs[], setup: Setup, holdsMany: boolean): EfficiencySummary {
  const of = (pick: (row: Costs) => number | null) => edits.map(pick).filter((x) => x !== null)
  const known = <T>(values: readonly number[], how: (values: readonly number[]) => T) =>
    values.length === 0 ? undefined : how(values)
  const ms = of((e) => e.editMs)
  return {
    msPerEdit: known(ms, (values) => ({ mean: mean(values), median: median(values) })),
    together: known(
      of((e) => e.together),
      median
    ),
    setup,
    flopsPerEdit: known(
      of((e) => e.flops),
      mean
    ),
    peakBytes: known(
      of((e) => e.peakBytes),
      (values) => values.reduce((a, b) => Math.max(a, b), 0)
    ),
    bytesPerEdit: known(
      of((e) => e.editBytes),
      mean
    ),
    holdsMany
  }
}
