import { PROPERTIES, type Property } from '../../datasets/types'
import type { MeasureSummary, RunSummary, SettingSummary } from '../scoring/types'

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
  /** `single`, `batch-100`, `sequential-300, asked at the end`. */
  readonly protocol: string
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
  /** Further measures of the dataset by what papers call them: CounterFact's ES, EM, PS, PM, NS, NM and S. */
  readonly measures: Readonly<Record<string, number>>
  /** All cases of a sequence so far, asked again after so many. */
  readonly retention: readonly ({
    readonly after: number
    readonly measures: Readonly<Record<string, number>>
  } & Shares)[]
  /** Mean and median time of an edit, and of what all edits share. */
  readonly editMs: number | null
  readonly editMsMedian: number | null
  /** How many edits were computed together: what time and memory are shared by. */
  readonly together: number | null
  readonly setupMs: number
  /** What was learnt before anything could be edited; null for methods that learn nothing. */
  readonly trainingMs: number | null
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
  measures,
  retention,
  efficiency
}: SettingSummary): ResultJson {
  const each = <T>(pick: (p: NonNullable<(typeof properties)[Property]>) => T) => byProperty(properties, pick)
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
    measures: meansOf(measures),
    retention: retention.map((r) => ({
      after: r.after,
      ...byProperty(r.properties, (p) => p.edited.mean),
      measures: meansOf(r.measures)
    })),
    editMs: efficiency.msPerEdit?.mean ?? null,
    editMsMedian: efficiency.msPerEdit?.median ?? null,
    together: efficiency.together ?? null,
    setupMs: efficiency.setup.ms,
    trainingMs: efficiency.setup.training?.ms ?? null,
    setup: efficiency.setup.parts,
    flopsPerEdit: efficiency.flopsPerEdit ?? null,
    peakBytes: efficiency.peakBytes ?? null,
    bytesPerEdit: efficiency.bytesPerEdit ?? null,
    holdsMany: efficiency.holdsMany
  }
}

/** By what papers call them. */
const meansOf = (measures: readonly MeasureSummary[]): Record<string, number> =>
  Object.fromEntries(
    measures.flatMap(({ values, composite }) => [
      ...values.map(({ label, edited }) => [label, edited.mean] as const),
      ...(composite === undefined ? [] : [[composite.label, composite.edited] as const])
    ])
  )

/** Something of every property, null where nothing was measured. */
function byProperty<P, T>(of: Readonly<Partial<Record<Property, P>>>, pick: (p: P) => T): Record<Property, T | null> {
  const entries = PROPERTIES.map((property) => [property, of[property] === undefined ? null : pick(of[property])])
  return Object.fromEntries(entries) as Record<Property, T | null>
}
