import type { Property } from '../../datasets/types'

/** One answer to one probe of one edit: a row of answers.arrow. Nothing in it depends on time or machine load. */
export interface AnswerRow {
  readonly setting: string
  readonly caseId: string
  /** Index of the probe in its case. */
  readonly probe: number
  readonly property: Property
  readonly kind: string
  readonly prompt: string
  /** The accepted answer that fits best, or the base model's own greedy answer. */
  readonly expected: string
  /** What the model chooses at the positions of `expected`, before and after the edit. */
  readonly before: string
  readonly after: string
  /** Strict exact match: every token right. */
  readonly exactBefore: boolean
  readonly exactAfter: boolean
  /** EasyEdit's token-level match: the share of right tokens. */
  readonly shareBefore: number
  readonly shareAfter: number
  /** Mean negative log likelihoods, in nats a token, of the continuations a probe compares; null where it compares none. */
  readonly betterNllBefore: number | null
  readonly betterNllAfter: number | null
  readonly worseNllBefore: number | null
  readonly worseNllAfter: number | null
}

/** One edit: a row of edits.arrow. */
export interface EditRow {
  readonly setting: string
  readonly caseId: string
  readonly prompt: string
  readonly subject: string
  readonly target: string
  /** Wall time of the method's own call, over the edits it computed together. */
  readonly editMs: number | null
  readonly flops: number | null
  /** Largest resident memory of the worker process so far. */
  readonly peakBytes: number | null
  /** What must be stored of this edit. */
  readonly editBytes: number | null
  readonly lossCurve: readonly number[]
  /** Further diagnostics of the method, as JSON. */
  readonly diagnostics: string
  /** Why the case failed; null where it did not. */
  readonly error: string | null
}
