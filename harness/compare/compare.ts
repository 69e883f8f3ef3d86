import { PROPERTIES, type Property } from '../../datasets/types'
import { groupBy } from '../group-by'
import type { MachineAbout, Setting } from '../results/manifest'
import { protocolName } from '../results/protocol'
import { summariseEfficiency } from '../scoring/summarise'
import type { EfficiencySummary } from '../scoring/types'
import { type Pair, pairAnswers, pairRightness } from './pairs'
import type { ComparedAnswer, ComparedEdit } from './rows'
import { type Difference, holm, mcnemar, pairedDifference, signFlip } from './statistics'

/** One side of a comparison: a complete run. */
export interface ComparedRun {
  readonly id: string
  readonly startedAt: string
  readonly machine: MachineAbout
  readonly settings: readonly Setting[]
  readonly answers: readonly ComparedAnswer[]
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
  const rowsOf = ({ answers }: ComparedRun) => groupBy(answers, (r) => r.setting)
  const editsOf = ({ edits }: ComparedRun) => groupBy(edits, (r) => r.setting)
  const [baseRows, runRows, baseEdits, runEdits] = [rowsOf(base), rowsOf(run), editsOf(base), editsOf(run)]
  const open: Omit<PropertyComparison, 'adjustedP' | 'verdict'>[] = []
  const flips: (Flip & { readonly weight: number })[] = []
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
      { answers: baseRows.get(a!.id) ?? [], edits: baseEdits.get(a!.id) ?? [] },
      { answers: runRows.get(b!.id) ?? [], edits: runEdits.get(b!.id) ?? [] }
    )
    for (const [protocol, some] of groupBy(pairs.questions, ({ run: row }) => asked(b!, row))) {
      if (protocol === null) continue
      for (const property of PROPERTIES) {
        const own = some.filter((q) => q.run.property === property)
        if (own.length > 0) open.push({ ...about, protocol, property, ...compareProperty(own, pairs.note, options) })
      }
      for (const q of some) if (q.base.exactAfter !== q.run.exactAfter) flips.push(flipOf(b!.id, protocol, q))
    }
    if (pairs.questions.length === 0)
      open.push({ ...about, ...NOTHING, property: 'accuracy', note: 'they have no question in common' })
  }
  const tested = open.flatMap(({ p }) => (p === null ? [] : [p]))
  const adjusted = holm(tested)
  let next = 0
  const properties = open.map((c): PropertyComparison => {
    const adjustedP = c.p === null ? null : adjusted[next++]!
    return { ...c, adjustedP, verdict: verdictOf(c.difference, adjustedP, options.significance) }
  })
  flips.sort((a, b) => Number(b.lost) - Number(a.lost) || b.weight - a.weight || (a.caseId < b.caseId ? -1 : 1))
  return {
    base: { id: base.id, startedAt: base.startedAt },
    run: { id: run.id, startedAt: run.startedAt },
    verdict: overall(properties.map((c) => c.verdict)),
    properties,
    flips: flips.slice(0, options.flips).map(({ weight: _, ...flip }) => flip),
    flipped: { lost: flips.filter((f) => f.lost).length, won: flips.filter((f) => !f.lost).length },
    ...compareEfficiency(base, run, baseEdits, runEdits)
  }
}

const NOTHING = { base: null, run: null, difference: null, cases: 0, lost: 0, won: 0, p: null } as const

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
function asked({ protocol }: Setting, { checkpoint, held }: ComparedAnswer): string | null {
  const name = protocolName(protocol)
  if (protocol.kind !== 'sequential') return name
  if (!checkpoint) return `${name}, asked at once`
  return held === protocol.edits ? `${name}, asked at the end` : null
}

function compareProperty(questions: readonly Pair[], note: string | null, { seed, resamples }: CompareOptions) {
  const cases = pairRightness(questions)
  const differences = Float64Array.from(cases, (c) => c.run - c.base)
  const [lost, won] = [differences.filter((d) => d < 0).length, differences.filter((d) => d > 0).length]
  const indicators = cases.every(({ base, run }) => (base === 0 || base === 1) && (run === 0 || run === 1))
  const mean = (side: 'base' | 'run') => cases.reduce((sum, c) => sum + c[side], 0) / cases.length
  return {
    note,
    base: mean('base'),
    run: mean('run'),
    difference: pairedDifference(differences, { seed, resamples }),
    cases: cases.length,
    lost,
    won,
    p: indicators ? mcnemar(lost, won) : signFlip(differences, seed)
  }
}

function verdictOf(difference: Difference | null, adjustedP: number | null, significance: number): Verdict {
  if (difference === null || adjustedP === null) return 'not comparable'
  if (adjustedP >= significance) return 'same'
  return difference.mean < 0 ? 'worse' : 'better'
}

function overall(verdicts: readonly Verdict[]): Verdict {
  const some = (v: Verdict) => verdicts.includes(v)
  if (some('worse')) return 'worse'
  if (verdicts.length === 0 || verdicts.every((v) => v === 'not comparable')) return 'not comparable'
  return some('better') ? 'better' : 'same'
}

/** The more of the expected answer was lost or won, the more a flip tells. */
function flipOf(setting: string, protocol: string, { base, run }: Pair): Flip & { readonly weight: number } {
  const { caseId, property, kind, prompt, expected, before } = run
  return {
    setting,
    protocol,
    caseId,
    property,
    kind,
    prompt,
    expected,
    before,
    base: base.after,
    run: run.after,
    lost: base.exactAfter,
    weight: Math.abs(base.shareAfter - run.shareAfter)
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
  const about = ({ machine: { cpu, cores, platform, backend, workers } }: ComparedRun) =>
    [cpu, `${cores} cores`, platform, backend, `${workers} workers`].join(', ')
  if (about(base) !== about(run))
    return { efficiency: [], efficiencyNote: `other machines: ${about(base)}; and ${about(run)}` }
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
