import type { Property } from '../../datasets/types'
import type { Estimate, RunSummary, SettingSummary } from './types'

/** One line of results for programs: shares from 0 to 1, null where nothing was measured. */
type Shares = Readonly<Record<Property, number | null>>

/** What `bench run --json` prints. */
export interface RunJson {
  readonly run: string
  readonly dir: string
  readonly report: string
  readonly seconds: number
  readonly results: readonly ResultJson[]
}

export interface ResultJson extends Shares {
  readonly setting: string
  readonly method: string
  readonly model: string
  readonly dataset: string
  readonly protocol: 'single'
  readonly cases: number
  readonly failed: number
  /** Records of the dataset that were left out. */
  readonly skipped: { readonly malformed: number; readonly noEdit: number }
  /** Edits that each property rests on. */
  readonly n: Shares
  /** Right answers whose whole text is longer than the expected one. */
  readonly longer: Shares
  /** Bounds of the 95 % intervals. */
  readonly intervals: Readonly<Record<Property, readonly [low: number, high: number] | null>>
  /** The same questions asked of the unedited model. */
  readonly base: Shares
  /** EasyEdit's share of matching tokens. */
  readonly tokenShare: Shares
  /** CounterFact's ES, EM, PS, PM, NS, NM and S; null where the dataset compares no probabilities. */
  readonly probability: Readonly<Record<string, number>> | null
  /** Mean and median time of an edit, and of what all edits share. */
  readonly editMs: number | null
  readonly editMsMedian: number | null
  /** How many edits were computed together: what time and memory are shared by. */
  readonly together: number | null
  readonly setupMs: number
  readonly setup: readonly { readonly what: string; readonly how: 'computed' | 'cached' }[]
  readonly flopsPerEdit: number | null
  readonly peakBytes: number | null
  readonly bytesPerEdit: number | null
  readonly holdsMany: boolean
}

export function runJson(dir: string, report: string, { id, seconds, settings }: RunSummary): RunJson {
  return { run: id, dir, report, seconds, results: settings.map(resultJson) }
}

function resultJson({
  id,
  label,
  model,
  dataset,
  protocol,
  cases,
  failed,
  properties,
  probability,
  efficiency
}: SettingSummary): ResultJson {
  const each = <T>(pick: (p: NonNullable<(typeof properties)[Property]>) => T) => {
    const of = (property: Property) => (properties[property] === undefined ? null : pick(properties[property]))
    return {
      accuracy: of('accuracy'),
      generality: of('generality'),
      portability: of('portability'),
      locality: of('locality')
    }
  }
  return {
    setting: id,
    method: label,
    model: model.name,
    dataset: dataset.name,
    protocol,
    cases,
    failed: failed.length,
    skipped: dataset.skipped,
    ...each((p) => p.edited.mean),
    intervals: each((p) => [p.edited.low, p.edited.high] as const),
    n: each((p) => p.edited.cases),
    longer: each((p) => p.longer),
    base: each((p) => p.base.mean),
    tokenShare: each((p) => p.tokenShare.mean),
    probability: probability === undefined ? null : means(probability.edited),
    editMs: efficiency.msPerEdit?.mean ?? null,
    editMsMedian: efficiency.msPerEdit?.median ?? null,
    together: efficiency.together ?? null,
    setupMs: efficiency.setup.ms,
    setup: efficiency.setup.parts,
    flopsPerEdit: efficiency.flopsPerEdit ?? null,
    peakBytes: efficiency.peakBytes ?? null,
    bytesPerEdit: efficiency.bytesPerEdit ?? null,
    holdsMany: efficiency.holdsMany
  }
}

const means = (numbers: object): Record<string, number> =>
  Object.fromEntries(
    Object.entries(numbers as Record<string, Estimate | number>).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : value.mean
    ])
  )
