import { ANSWERED_APART, APART, PROPERTIES, type Property } from '../../datasets/types'
import { groupBy } from '../group-by'
import { type MachineAbout, machineName, type Setting } from '../results/manifest'
import { protocolName } from '../results/protocol'
import { summariseEfficiency } from '../scoring/summarise'
import type { EfficiencySummary } from '../scoring/types'
import { mean } from '../statistics/intervals'
import { gains, type MeasuredLine, measuredLines } from './measured'
import { type Pairs, pairAnswers, pairRightness, type Rightness } from './pairs'
import type { ComparedAnswers, ComparedEdit } from './rows'
import { type Difference, holm, mcnemar, pairedDifference, signFlip } from './statistics'

/** One side of a comparison: a complete run. */
export interface ComparedRun {
  readonly id: string
  readonly startedAt: string
  readonly machine: MachineAbout
  readonly settings: readonly Setting[]
  readonly answers: ComparedAnswers
  readonly edits: readonly ComparedEdit[]
}

export type Verdict = 'better' | 'same' | 'worse' | 'not comparable'

/** One property of one setting, in both runs. */
export interface PropertyComparison {
  readonly setting: string
  readonly label: string
  readonly model: string
  readonly dataset: string
  /** `single`, `sequential-300, asked at the end`. */
  readonly protocol: string
  readonly property: Property
  /** A kind that is reported apart; null where it is the property. */
  readonly kind: string | null
  /** A measure of the property, by what papers call it; null where it is exact match. */
  readonly measure: string | null
  /** A share is shown in percent. */
  readonly unit: 'share' | 'number'
  readonly higherIsBetter: boolean
  readonly verdict: Verdict
  /** Why it is not comparable; or what was left out of the comparison. */
  readonly note: string | null
  /** Of the cases that both runs have. */
  readonly base: number | null
  readonly run: number | null
  readonly difference: Difference | null
  readonly cases: number
  /** Cases whose share of right answers fell, and rose. */
  readonly lost: number
  readonly won: number
  /** Of no difference, and adjusted for all properties of the table (Holm). */
  readonly p: number | null
  readonly adjustedP: number | null
}

/** A question whose answer was right in one run and wrong in the other. */
export interface Flip {
  readonly setting: string
  readonly protocol: string
  readonly caseId: string
  readonly property: Property
  readonly kind: string
  readonly prompt: string
  readonly expected: string
  readonly before: string
  readonly base: string
  readonly run: string
  readonly lost: boolean
}

export interface EfficiencyComparison {
  readonly setting: string
  readonly what: 'time' | 'flops' | 'memory' | 'size'
  readonly base: number
  readonly run: number
  readonly ratio: number
}

export interface Comparison {
  readonly base: { readonly id: string; readonly startedAt: string }
  readonly run: { readonly id: string; readonly startedAt: string }
  readonly verdict: Verdict
  readonly properties: readonly PropertyComparison[]
  /** Those that were lost first; the most telling first. */
  readonly flips: readonly Flip[]
  readonly flipped: { readonly lost: number; readonly won: number }
  readonly efficiency: readonly EfficiencyComparison[]
  /** Why efficiency is not compared. */
  readonly efficiencyNote: string | null
}

export interface CompareOptions {
  /** A difference is one when its adjusted p is less. */
  readonly significance: number
  readonly seed: number
  readonly resamples: number
  /** How many flips are told. */
  readonly flips: number
}

export const COMPARE_DEFAULTS: CompareOptions = { significance: 0.05, seed: 0, resamples: 1000, flips: 50 }

/**
 * Lays a run beside another one: the same questions about the same cases, setting by setting. Settings are paired by what they are (label, model,
 * dataset, protocol), cases and questions by what they say.
 */
export function compareRuns(
  base: ComparedRun,
  run: ComparedRun,
  options: CompareOptions = COMPARE_DEFAULTS
): Comparison {
  const baseSettings = new Map(base.settings.map((s) => [settingKey(s), s]))
  const runSettings = new Map(run.settings.map((s) => [settingKey(s), s]))
  const rowsOf = ({ answers }: ComparedRun) =>
    groupBy(
      Array.from({ length: answers.length }, (_, i) => i),
      (i) => answers.setting.get(i)
    )
  const editsOf = ({ edits }: ComparedRun) => groupBy(edits, (r) => r.setting)
  const [baseRows, runRows, baseEdits, runEdits] = [rowsOf(base), rowsOf(run), editsOf(base), editsOf(run)]
  const open: Omit<PropertyComparison, 'adjustedP' | 'verdict'>[] = []
  const flipped: Flipped[] = []
  for (const key of new Set([...runSettings.keys(), ...baseSettings.keys()])) {
    const [a, b] = [baseSettings.get(key), runSettings.get(key)]
    const about = aboutSetting((b ?? a)!)
    const problem =
      a === undefined
        ? 'the baseline has no such setting'
        : b === undefined
          ? 'the run has no such setting'
          : unlike(a, b)
    if (problem !== null) {
      open.push({ ...about, ...NOTHING, property: 'accuracy', note: problem })
      continue
    }
    const pairs = pairAnswers(
      { answers: base.answers, rows: baseRows.get(a!.id) ?? [], edits: baseEdits.get(a!.id) ?? [] },
      { answers: run.answers, rows: runRows.get(b!.id) ?? [], edits: runEdits.get(b!.id) ?? [] }
    )
    for (const [protocol, some] of groupBy(pairs.run.keys(), (i) => asked(b!, run.answers, pairs.run[i]!))) {
      if (protocol === null) continue
      const lines = groupBy(some, (i) => lineOf(run.answers, pairs.run[i]!))
      for (const { key, property, kind } of LINES) {
        const own = lines.get(key)
        if (own === undefined) continue
        const rightness = pairRightness(pairs, own, base.answers, run.answers)
        open.push({ ...about, protocol, property, kind, ...EXACT, ...compareProperty(rightness, pairs.note, options) })
      }
      const common = a!.measures.filter((m) => b!.measures.includes(m))
      for (const line of measuredLines(common, pairs, some, base.answers, run.answers))
        open.push({ ...about, protocol, kind: null, ...compareMeasure(line, pairs.note, options) })
      for (const flip of flippedOf(pairs, some, { base, run, setting: b!.id, protocol })) flipped.push(flip)
    }
    if (pairs.run.length === 0)
      open.push({ ...about, ...NOTHING, property: 'accuracy', note: 'they have no question in common' })
  }
  const tested = open.flatMap(({ p }) => (p === null ? [] : [p]))
  const adjusted = holm(tested)
  let next = 0
  const properties = open.map((c): PropertyComparison => {
    const adjustedP = c.p === null ? null : adjusted[next++]!
    return { ...c, adjustedP, verdict: verdictOf(c, adjustedP, options.significance) }
  })
  flipped.sort((a, b) => Number(b.lost) - Number(a.lost) || b.weight - a.weight || (a.caseId < b.caseId ? -1 : 1))
  return {
    base: { id: base.id, startedAt: base.startedAt },
    run: { id: run.id, startedAt: run.startedAt },
    verdict: overall(properties.map((c) => c.verdict)),
    properties,
    flips: flipped.slice(0, options.flips).map((f) => flipOf(f, base.answers, run.answers)),
    flipped: { lost: flipped.filter((f) => f.lost).length, won: flipped.filter((f) => !f.lost).length },
    ...compareEfficiency(base, run, baseEdits, runEdits)
  }
}

const EXACT = { measure: null, unit: 'share', higherIsBetter: true } as const
const NOTHING = {
  ...EXACT,
  kind: null,
  base: null,
  run: null,
  difference: null,
  cases: 0,
  lost: 0,
  won: 0,
  p: null
} as const

/** What has a line of its own: the properties, and kinds that are reported apart. */
export const LINES: readonly { readonly key: string; readonly property: Property; readonly kind: string | null }[] =
  PROPERTIES.flatMap((property) => [
    { key: property, property, kind: null },
    ...ANSWERED_APART.map((kind) => ({ key: `${property}, ${kind}`, property, kind }))
  ])

/** The line a row belongs to. */
export function lineOf(answers: Pick<ComparedAnswers, 'property' | 'kind'>, row: number): string {
  const [property, kind] = [answers.property.get(row), answers.kind.get(row)]
  return APART.includes(kind) ? `${property}, ${kind}` : property
}

const settingKey = ({ label, model, dataset, protocol }: Setting): string =>
  JSON.stringify([label, model.name, dataset.name, protocol])

const aboutSetting = ({ id, label, model, dataset, protocol }: Setting) => ({
  setting: id,
  label,
  model: model.name,
  dataset: dataset.name,
  protocol: protocolName(protocol)
})

/** What makes settings of one name incomparable: other rules. Another method, model or version is what is compared. */
function unlike(a: Setting, b: Setting): string | null {
  const rules = (s: Setting) => JSON.stringify(Object.entries(s.scoring).sort())
  return rules(a) === rules(b) ? null : `they are scored by other rules: ${rules(a)} and ${rules(b)}`
}

/** In what protocol a row answers: single edits and batches, and of a sequence what is asked at once and at its end. Null at other checkpoints. */
export function asked(
  { protocol }: Setting,
  answers: Pick<ComparedAnswers, 'checkpoint' | 'held'>,
  row: number
): string | null {
  const name = protocolName(protocol)
  if (protocol.kind !== 'sequential') return name
  if (!answers.checkpoint.get(row)) return `${name}, asked at once`
  return answers.held.get(row) === protocol.edits ? `${name}, asked at the end` : null
}

function compareMeasure(line: MeasuredLine, note: string | null, { seed, resamples }: CompareOptions) {
  const { measure, label, property, base, run } = line
  const { unit, higherIsBetter, pooled } = measure
  const means = pooled && `${label} is compared as a mean over cases; a run's own tables take all texts together`
  const better = gains(line)
  const [lost, won] = [better.filter((d) => d < 0).length, better.filter((d) => d > 0).length]
  return {
    ...{ property, measure: label, unit, higherIsBetter },
    note: [note, means].filter(Boolean).join('; ') || null,
    base: mean(base),
    run: mean(run),
    // The interval of no difference is one of shares.
    difference:
      lost + won === 0 && unit === 'number'
        ? { mean: 0, low: 0, high: 0 }
        : pairedDifference(higherIsBetter ? better : better.map((d) => -d), { seed, resamples }),
    cases: better.length,
    lost,
    won,
    p: signFlip(better, seed)
  }
}

function compareProperty({ base, run }: Rightness, note: string | null, { seed, resamples }: CompareOptions) {
  const differences = run.map((share, i) => share - base[i]!)
  const [lost, won] = [differences.filter((d) => d < 0).length, differences.filter((d) => d > 0).length]
  const indicators = [base, run].every((shares) => shares.every((share) => share === 0 || share === 1))
  return {
    note,
    base: mean(base),
    run: mean(run),
    difference: pairedDifference(differences, { seed, resamples }),
    cases: differences.length,
    lost,
    won,
    p: indicators ? mcnemar(lost, won) : signFlip(differences, seed)
  }
}

function verdictOf(
  c: Pick<PropertyComparison, 'difference' | 'higherIsBetter'>,
  adjustedP: number | null,
  significance: number
): Verdict {
  if (c.difference === null || adjustedP === null) return 'not comparable'
  if (adjustedP >= significance) return 'same'
  return isLoss(c) ? 'worse' : 'better'
}

/** Whether a number went the wrong way. */
export const isLoss = ({
  difference,
  higherIsBetter
}: Pick<PropertyComparison, 'difference' | 'higherIsBetter'>): boolean =>
  difference !== null && (higherIsBetter ? difference.mean < 0 : difference.mean > 0)

function overall(verdicts: readonly Verdict[]): Verdict {
  const some = (v: Verdict) => verdicts.includes(v)
  if (some('worse')) return 'worse'
  if (verdicts.length === 0 || verdicts.every((v) => v === 'not comparable')) return 'not comparable'
  return some('better') ? 'better' : 'same'
}

/** A flip as long as it is only counted and sorted: texts are read of those that are told. */
interface Flipped {
  readonly setting: string
  readonly protocol: string
  readonly caseId: string
  /** Its rows. */
  readonly base: number
  readonly run: number
  readonly lost: boolean
  /** The more of the expected answer was lost or won, the more a flip tells. */
  readonly weight: number
}

function* flippedOf(
  pairs: Pairs,
  some: readonly number[],
  { base, run, setting, protocol }: { base: ComparedRun; run: ComparedRun; setting: string; protocol: string }
): Generator<Flipped> {
  for (const i of some) {
    const [a, b] = [pairs.base[i]!, pairs.run[i]!]
    const lost = base.answers.exactAfter.get(a)
    if (lost === run.answers.exactAfter.get(b)) continue
    const weight = Math.abs(base.answers.shareAfter.get(a) - run.answers.shareAfter.get(b))
    yield { setting, protocol, caseId: run.answers.caseId.get(b), base: a, run: b, lost, weight }
  }
}

function flipOf({ weight: _, ...flip }: Flipped, base: ComparedAnswers, run: ComparedAnswers): Flip {
  const of = <K extends 'property' | 'kind' | 'prompt' | 'expected' | 'before'>(column: K) => run[column].get(flip.run)
  return {
    ...flip,
    ...{ property: run.property.get(flip.run), kind: of('kind'), prompt: of('prompt'), expected: of('expected') },
    ...{ before: of('before'), base: base.after.get(flip.base), run: run.after.get(flip.run) }
  }
}

const COSTS: readonly (readonly [EfficiencyComparison['what'], (e: EfficiencySummary) => number | undefined])[] = [
  ['time', (e) => e.msPerEdit?.median],
  ['flops', (e) => e.flopsPerEdit],
  ['memory', (e) => e.peakBytes],
  ['size', (e) => e.bytesPerEdit]
]

function compareEfficiency(
  base: ComparedRun,
  run: ComparedRun,
  baseEdits: ReadonlyMap<string, readonly ComparedEdit[]>,
  runEdits: ReadonlyMap<string, readonly ComparedEdit[]>
): Pick<Comparison, 'efficiency' | 'efficiencyNote'> {
  const [machine, other] = [machineName(base.machine), machineName(run.machine)]
  if (machine !== other) return { efficiency: [], efficiencyNote: `other machines: ${machine}; and ${other}` }
  const before = new Map(base.settings.map((s) => [settingKey(s), s.id]))
  const costs = (edits: readonly ComparedEdit[] = []) => summariseEfficiency(edits, { ms: 0, parts: [] }, true)
  const efficiency = run.settings.flatMap((setting) => {
    const other = before.get(settingKey(setting))
    if (other === undefined) return []
    const [own, after] = [costs(baseEdits.get(other)), costs(runEdits.get(setting.id))]
    return COSTS.flatMap(([what, of]) => {
      const [a, b] = [of(own), of(after)]
      return a === undefined || b === undefined || a === 0
        ? []
        : [{ setting: setting.id, what, base: a, run: b, ratio: b / a }]
    })
  })
  return { efficiency, efficiencyNote: null }
}
