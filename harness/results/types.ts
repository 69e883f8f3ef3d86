import type { Property } from '../../datasets/types'
import type { MethodFamily } from '../../methods/types'

/** A mean over cases with its 95 % bootstrap interval, as shares in 0..1 (or in the unit of the metric). */
export interface Estimate {
  readonly mean: number
  readonly low: number
  readonly high: number
  /** Cases that have something to measure. */
  readonly cases: number
}

/** High, medium or low by the thresholds of the run's grading profile. */
export type Grade = 'high' | 'medium' | 'low'

/** What one property came to. A property without a single probe is missing ("not measured"), never 0. */
export interface PropertySummary {
  /** Strict exact match after the edit: macro average (mean per case, then over cases). */
  readonly edited: Estimate
  /** The same of the unedited model. */
  readonly base: Estimate
  /** EasyEdit's share of matching tokens, after the edit and before it. */
  readonly tokenShare: Estimate
  readonly baseTokenShare: Estimate
  readonly grade: Grade
}

/** The same for one kind of probe: 'paraphrase', 'neighbourhood', 'one-hop' ... */
export interface KindSummary extends Omit<PropertySummary, 'grade'> {
  readonly property: Property
  readonly kind: string
  readonly probes: number
}

/** CounterFact's numbers (Meng et al. 2022, sections 3.2 and appendix): shares in 0..1; magnitudes are differences of probabilities. */
export interface ProbabilitySummary {
  readonly ES: Estimate
  readonly EM: Estimate
  readonly PS?: Estimate
  readonly PM?: Estimate
  readonly NS?: Estimate
  readonly NM?: Estimate
  /** Harmonic mean of ES, PS and NS; missing when one of them is. */
  readonly S?: number
}

/** What an edit costs; measured around the method's own call, without loading, scoring or setup. */
export interface EfficiencySummary {
  readonly msPerEdit: { readonly mean: number; readonly median: number }
  /** Work shared by all edits (second moments, templates), once a run; near 0 when it came from the cache. */
  readonly setupMs: number
  readonly flopsPerEdit: number | undefined
  /** Largest resident memory of a worker process while it edited. */
  readonly peakBytes: number
  /** What must be stored of one edit. */
  readonly bytesPerEdit: number
  readonly supportsBatch: boolean
}

/** One method on one model and one dataset: a line of the leaderboard. */
export interface SettingSummary {
  /** Unique in its run, fit for file names: `rome--gptj-mini--counterfact`. */
  readonly id: string
  readonly method: {
    readonly name: string
    readonly title: string
    readonly family: MethodFamily
    readonly source: string
    readonly hyperparameters: Readonly<Record<string, unknown>>
  }
  readonly model: { readonly name: string; readonly hash: string; readonly architecture: string }
  readonly dataset: {
    readonly name: string
    readonly title: string
    /** The file it was read from, or 'the embedded world'. */
    readonly source: string
    readonly hash: string
    /** Malformed records left out. */
    readonly skipped: number
  }
  readonly cases: number
  readonly failed: readonly { readonly caseId: string; readonly message: string }[]
  readonly properties: Readonly<Partial<Record<Property, PropertySummary>>>
  readonly kinds: readonly KindSummary[]
  readonly probability?: { readonly edited: ProbabilitySummary; readonly base: ProbabilitySummary }
  readonly efficiency: EfficiencySummary
}

/** Everything a report shows of one run, recomputed from its rows. */
export interface RunSummary {
  /** Config name and hash: `quickstart-1f3a9c0e`; also the name of the run's folder. */
  readonly id: string
  readonly name: string
  /** ISO 8601, UTC. */
  readonly startedAt: string
  readonly seconds: number
  readonly seed: number
  readonly version: string
  readonly gitCommit: string | undefined
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryBytes: number
    readonly platform: string
    readonly node: string
    readonly backend: string
    readonly workers: number
  }
  readonly settings: readonly SettingSummary[]
}

/** One stored answer as a run page shows it. */
export interface AnswerView {
  readonly settingId: string
  readonly caseId: string
  readonly property: Property
  readonly kind: string
  readonly prompt: string
  /** Accepted answer, or the base model's own for locality. */
  readonly expected: string
  /** What the model says at the expected answer's positions, before and after the edit. */
  readonly before: string
  readonly after: string
  readonly correctBefore: boolean
  readonly correctAfter: boolean
}
