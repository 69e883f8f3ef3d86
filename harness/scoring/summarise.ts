import type { Property } from '../../datasets/types'
import type { AnswerRow, EditRow } from '../results/rows'
import type {
  EfficiencySummary,
  Estimate,
  KindSummary,
  ProbabilitySummary,
  PropertySummary,
  SettingSummary,
  Setup
} from '../results/types'
import { type Grading, gradeOf } from './grade'
import { estimate, mean, median } from './intervals'

export const PROPERTIES: readonly Property[] = ['accuracy', 'generality', 'portability', 'locality']

export interface SummaryOptions {
  readonly seed: number
  readonly resamples: number
  readonly grading: Grading
}

type Numbers = Pick<SettingSummary, 'properties' | 'kinds' | 'probability' | 'cases' | 'failed'>

/** What the answers of one setting come to: macro averages (mean of a case's probes, then over cases; equations 5.1-5.4 of the book). */
export function summariseAnswers(
  answers: readonly AnswerRow[],
  edits: readonly EditRow[],
  options: SummaryOptions
): Numbers {
  const { seed, resamples } = options
  const shares = (rows: readonly AnswerRow[]) => ({
    edited: macro(rows, (r) => Number(r.exactAfter))!,
    base: macro(rows, (r) => Number(r.exactBefore))!,
    tokenShare: macro(rows, (r) => r.shareAfter)!,
    baseTokenShare: macro(rows, (r) => r.shareBefore)!,
    right: rows.filter((r) => r.exactAfter).length,
    longer: rows.filter((r) => r.longerAfter).length,
    probes: rows.length
  })
  const macro: Macro = (rows, value, bounds) =>
    estimate(perCase(rows, value), { seed, resamples, ...(bounds === undefined ? {} : { bounds }) })
  const properties: Partial<Record<Property, PropertySummary>> = {}
  const kinds: KindSummary[] = []
  for (const property of PROPERTIES) {
    const rows = answers.filter((r) => r.property === property)
    if (rows.length === 0) continue
    const summary = shares(rows)
    properties[property] = { ...summary, grade: gradeOf(property, summary.tokenShare.mean, options.grading) }
    for (const kind of new Set(rows.map((r) => r.kind))) {
      const ofKind = rows.filter((r) => r.kind === kind)
      kinds.push({ property, kind, ...shares(ofKind) })
    }
  }
  const probability = {
    edited: probabilities(answers, (r) => [r.betterNllAfter, r.worseNllAfter], macro),
    base: probabilities(answers, (r) => [r.betterNllBefore, r.worseNllBefore], macro)
  }
  return {
    properties,
    kinds,
    ...(probability.edited !== undefined && probability.base !== undefined
      ? { probability: { edited: probability.edited, base: probability.base } }
      : {}),
    cases: edits.length,
    failed: edits.flatMap((e) => (e.error === null ? [] : [{ caseId: e.caseId, message: e.error }]))
  }
}

type Macro = (
  rows: readonly AnswerRow[],
  value: (row: AnswerRow) => number,
  bounds?: readonly [number, number]
) => Estimate | undefined

/** CounterFact's comparison of two continuations by their mean token likelihood (Meng et al. 2022, section 3.4). */
function probabilities(
  answers: readonly AnswerRow[],
  nllOf: (row: AnswerRow) => readonly [number | null, number | null],
  macro: Macro
): ProbabilitySummary | undefined {
  const compared = answers.filter((r) => r.betterNllAfter !== null)
  const pair = (property: Property) => {
    const rows = compared.filter((r) => r.property === property)
    return {
      success: macro(rows, (r) => Number(nllOf(r)[0]! < nllOf(r)[1]!)),
      magnitude: macro(rows, (r) => Math.exp(-nllOf(r)[0]!) - Math.exp(-nllOf(r)[1]!), [-1, 1])
    }
  }
  const efficacy = pair('accuracy')
  const paraphrase = pair('generality')
  const neighbourhood = pair('locality')
  if (efficacy.success === undefined || efficacy.magnitude === undefined) return undefined
  const three = [efficacy.success, paraphrase.success, neighbourhood.success]
  return {
    ES: efficacy.success,
    EM: efficacy.magnitude,
    ...(paraphrase.success === undefined ? {} : { PS: paraphrase.success, PM: paraphrase.magnitude! }),
    ...(neighbourhood.success === undefined ? {} : { NS: neighbourhood.success, NM: neighbourhood.magnitude! }),
    ...(three.every((e) => e !== undefined) ? { S: harmonicMean(three.map((e) => e.mean)) } : {})
  }
}

const harmonicMean = (values: readonly number[]): number =>
  values.some((v) => v === 0) ? 0 : values.length / values.reduce((sum, v) => sum + 1 / v, 0)

function perCase(rows: readonly AnswerRow[], value: (row: AnswerRow) => number): number[] {
  const byCase = new Map<string, number[]>()
  for (const row of rows) {
    const values = byCase.get(row.caseId)
    if (values === undefined) byCase.set(row.caseId, [value(row)])
    else values.push(value(row))
  }
  return [...byCase.values()].map(mean)
}

/** What the edits cost; failed ones are left out. */
export function summariseEfficiency(edits: readonly EditRow[], setup: Setup, holdsMany: boolean): EfficiencySummary {
  const of = (pick: (row: EditRow) => number | null) => edits.map(pick).filter((x) => x !== null)
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
