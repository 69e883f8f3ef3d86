import type { Property } from '../../datasets/types'
import type { MachineAbout, Setting, Setup } from '../results/manifest'
import type { Estimate } from '../statistics/intervals'

export type { Estimate } from '../statistics/intervals'

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
  /** Where questions take something for granted: the share that the unedited model knows, and the answers to those questions alone. */
  readonly granted?: { readonly known: Estimate; readonly edited?: Estimate }
  /** Questions asked; how many are right by strict exact match after the edit; and of those, where the whole answer is longer. */
  readonly probes: number
  readonly right: number
  readonly longer: number
  /** Of the share of matching tokens, which the published numbers behind the grades are. */
  readonly grade?: Grade
}

/** The same for one kind of probe: 'paraphrase', 'neighbourhood', 'one-hop' ... */
export interface KindSummary extends Omit<PropertySummary, 'grade'> {
  readonly property: Property
  readonly kind: string
}

/** What a measure came to, by property. */
export interface MeasureSummary {
  readonly name: string
  readonly title: string
  /** A share is shown in percent. */
  readonly unit: 'share' | 'number'
  /** Shown in the table of methods as well. */
  readonly headline: boolean
  readonly values: readonly {
    readonly property: Property
    /** What papers call it: ES, PS, NS; the property when they have no name for it. */
    readonly label: string
    readonly edited: Estimate
    readonly base: Estimate
  }[]
  /** A number made of all of them: S, the harmonic mean of ES, PS and NS. */
  readonly composite?: { readonly label: string; readonly edited: number; readonly base: number }
}

/** What the answers of a setting come to: of its edits asked right after themselves, or of all so far at a checkpoint. */
export interface AnswersSummary {
  /** Cases whose edits the model was asked about. */
  readonly cases: number
  readonly properties: Readonly<Partial<Record<Property, PropertySummary>>>
  readonly kinds: readonly KindSummary[]
  readonly measures: readonly MeasureSummary[]
}

/** All edits of a sequence so far, asked again after so many cases. */
export interface CheckpointSummary {
  readonly after: number
  readonly properties: Readonly<Partial<Record<Property, Pick<PropertySummary, 'edited' | 'base' | 'tokenShare'>>>>
  readonly measures: readonly MeasureSummary[]
}

/** What an edit costs; measured around the method's own work, without loading, scoring or setup. Undefined is not measured. */
export interface EfficiencySummary {
  /** Of a fact: an edit's time is shared by the facts it holds. */
  readonly msPerEdit: { readonly mean: number; readonly median: number } | undefined
  /** How many facts were computed together, which their time and memory are shared by: the median. */
  readonly together: number | undefined
  readonly setup: Setup
  readonly flopsPerEdit: number | undefined
  /** Most bytes tensors held while an edit, or those together, were computed, over the model's own. */
  readonly peakBytes: number | undefined
  /** What must be stored of one edit. */
  readonly bytesPerEdit: number | undefined
  readonly holdsMany: boolean
}

/**
 * A line of the leaderboard: one method on one model and one dataset, by one protocol. Of a sequence there are two, for its edits asked right after
 * themselves and for all of them asked at its end.
 */
export interface SettingSummary extends Omit<Setting, 'protocol' | 'measures'>, AnswersSummary {
  /** Unique in its run, fit for file names: `rome--gptj-mini--counterfact`. */
  readonly id: string
  /** `single`, `batch-100`, `sequential-300, asked at the end`. */
  readonly protocol: string
  readonly failed: readonly { readonly caseId: string; readonly place: string; readonly message: string }[]
  /** How much of a sequence is kept, where all of it was asked at checkpoints. */
  readonly retention: readonly CheckpointSummary[]
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
  readonly machine: MachineAbout
  /** Cut points of the grades, and resamples behind the intervals. */
  readonly grading: Readonly<Record<Property, { readonly medium: number; readonly high: number }>>
  readonly settings: readonly SettingSummary[]
}
