import type { Property } from '../../datasets/types'
import type { MethodFamily } from '../../methods/types'

/** A mean over cases with its 95 % interval, as shares in 0..1 (or in the unit of the metric). */
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
  /** Questions asked; how many are right by strict exact match after the edit; and of those, where the whole answer is longer. */
  readonly probes: number
  readonly right: number
  readonly longer: number
  /** Of the share of matching tokens, which the published numbers behind the grades are. */
  readonly grade: Grade
}

/** The same for one kind of probe: 'paraphrase', 'neighbourhood', 'one-hop' ... */
export interface KindSummary extends Omit<PropertySummary, 'grade'> {
  readonly property: Property
  readonly kind: string
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

/** Work shared by all edits of a setting (second moments, context templates), once a run. */
export interface Setup {
  readonly ms: number
  /** What there was to do, and whether it came from a cache. */
  readonly parts: readonly { readonly what: string; readonly how: 'computed' | 'cached' }[]
}

/** What an edit costs; measured around the method's own work, without loading, scoring or setup. Undefined is not measured. */
export interface EfficiencySummary {
  readonly msPerEdit: { readonly mean: number; readonly median: number } | undefined
  /** How many edits were computed together, which their time and memory are shared by: the median. */
  readonly together: number | undefined
  readonly setup: Setup
  readonly flopsPerEdit: number | undefined
  /** Most bytes tensors held while an edit, or those together, were computed, over the model's own. */
  readonly peakBytes: number | undefined
  /** What must be stored of one edit. */
  readonly bytesPerEdit: number | undefined
  readonly holdsMany: boolean
}

/** One method on one model and one dataset: a line of the leaderboard. */
export interface SettingSummary {
  /** Unique in its run, fit for file names: `rome--gptj-mini--counterfact`. */
  readonly id: string
  /** What the config calls the method; its name when it says nothing. */
  readonly label: string
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
    /** Name of the file it was read from, or 'the embedded world'. */
    readonly source: string
    /** Of the cases as they are asked. */
    readonly hash: string
    /** Switches of the dataset, and the half of the world, that differ from the defaults. */
    readonly options: Readonly<Record<string, unknown>>
    /** Records left out: malformed, and edits that change nothing. */
    readonly skipped: { readonly malformed: number; readonly noEdit: number }
  }
  readonly protocol: 'single'
  /** What decides verdicts besides the questions. */
  readonly scoring: Readonly<Record<string, unknown>>
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
  /** Cut points of the grades, and resamples behind the intervals. */
  readonly grading: Readonly<Record<Property, { readonly medium: number; readonly high: number }>>
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
  /** What the model says, up to a natural stop, before and after the edit. */
  readonly before: string
  readonly after: string
  readonly correctBefore: boolean
  readonly correctAfter: boolean
  /** Right, but the whole answer is longer than the expected one. */
  readonly longer: boolean
}
