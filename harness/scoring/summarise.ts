import type { Property } from '../../datasets/types'
import type { AnswerRow, EditRow } from '../results/rows'
import type {
  EfficiencySummary,
  Estimate,
  KindSummary,
  ProbabilitySummary,
  PropertySummary,
  SettingSummary
} from '../results/types'
import { estimate, mean, median } from './bootstrap'
import { type Grading, gradeOf } from './grade'

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
  const shares = (rows: readonly AnswerRow[], purpose: string) => ({
    edited: macro(rows, (r) => Number(r.exactAfter), `${purpose}/edited`)!,
    base: macro(rows, (r) => Number(r.exactBefore), `${purpose}/base`)!,
    tokenShare: macro(rows, (r) => r.shareAfter, `${purpose}/share`)!,
    baseTokenShare: macro(rows, (r) => r.shareBefore, `${purpose}/base share`)!
  })
  const macro = (rows: readonly AnswerRow[], value: (row: AnswerRow) => number, purpose: string) =>
    estimate(perCase(rows, value), { seed: options.seed, resamples: options.resamples, purpose })
  const properties: Partial<Record<Property, PropertySummary>> = {}
  const kinds: KindSummary[] = []
  for (const property of PROPERTIES) {
    const rows = answers.filter((r) => r.property === property)
    if (rows.length === 0) continue
    const summary = shares(rows, property)
    properties[property] = { ...summary, grade: gradeOf(property, summary.edited.mean, options.grading) }
    for (const kind of new Set(rows.map((r) => r.kind))) {
      const ofKind = rows.filter((r) => r.kind === kind)
      kinds.push({ property, kind, probes: ofKind.length, ...shares(ofKind, `${property}/${kind}`) })
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

type Macro = (rows: readonly AnswerRow[], value: (row: AnswerRow) => number, purpose: string) => Estimate | undefined

/** CounterFact's comparison of two continuations by their mean token likelihood (Meng et al. 2022, section 3.4). */
function probabilities(
  answers: readonly AnswerRow[],
  nllOf: (row: AnswerRow) => readonly [number | null, number | null],
  macro: Macro
): ProbabilitySummary | undefined {
  const compared = answers.filter((r) => r.betterNllAfter !== null)
  const pair = (property: Property, label: string) => {
    const rows = compared.filter((r) => r.property === property)
    return {
      success: macro(rows, (r) => Number(nllOf(r)[0]! < nllOf(r)[1]!), `${label}/success`),
      magnitude: macro(rows, (r) => Math.exp(-nllOf(r)[0]!) - Math.exp(-nllOf(r)[1]!), `${label}/magnitude`)
    }
  }
  const efficacy = pair('accuracy', 'E')
  const paraphrase = pair('generality', 'P')
  const neighbourhood = pair('locality', 'N')
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
export function summariseEfficiency(
  edits: readonly EditRow[],
  setupMs: number,
  supportsBatch: boolean
): EfficiencySummary {
  const of = (pick: (row: EditRow) => number | null) => edits.map(pick).filter((x) => x !== null)
  const ms = of((e) => e.editMs)
  const flops = of((e) => e.flops)
  const bytes = of((e) => e.editBytes)
  return {
    msPerEdit: { mean: ms.length === 0 ? 0 : mean(ms), median: ms.length === 0 ? 0 : median(ms) },
    setupMs,
    flopsPerEdit: flops.length === 0 ? undefined : mean(flops),
    peakBytes: Math.max(0, ...of((e) => e.peakBytes)),
    bytesPerEdit: bytes.length === 0 ? 0 : mean(bytes),
    supportsBatch
  }
}
