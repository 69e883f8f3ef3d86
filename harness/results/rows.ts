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
  /** The model's own greedy words up to a natural stop, before and after the edit. */
  readonly before: string
  readonly after: string
  /** Strict exact match: greedy decoding gives `expected` and does not go on inside the same word. */
  readonly exactBefore: boolean
  readonly exactAfter: boolean
  /** Right after the edit, but the whole answer is longer: `expected` may be the beginning of a longer name. */
  readonly longerAfter: boolean
  /** EasyEdit's token-level match: the share of right tokens. */
  readonly shareBefore: number
  readonly shareAfter: number
  /** Scores of measures by name and side: `better_nll.before`, `better_nll.after`. */
  readonly scores: Readonly<Record<string, number>>
  /** Free answers, as they were said before and after the edit, where a config asks for them. */
  readonly freeBefore?: string | null
  readonly freeAfter?: string | null
  /** Probes of the case with the same group ask one thing in several ways; null where it is asked in one. */
  readonly anyOf: string | null
  /** Cases that were edited into the model when it was asked: those of its own edit, or of the sequence so far. */
  readonly held: number
  /** Asked again at a checkpoint of a sequence, not right after its own edit. */
  readonly checkpoint: boolean
}

/** One case's edit: a row of edits.arrow. */
export interface EditRow {
  readonly setting: string
  readonly caseId: string
  readonly prompt: string
  readonly subject: string
  readonly target: string
  /** Where the case stands in its data: `counterfact.json:12`. */
  readonly place: string
  /** Facts that its edit holds, and the edit's index among those of its chain or setting. */
  readonly facts: number
  readonly position: number
  /** Wall time of the method's own work, divided by the facts it was shared by. */
  readonly editMs: number | null
  /** How many edits were computed together: what their time and memory are shared by. */
  readonly together: number | null
  /** Matrix FLOPs of this fact's share of its edit; null where the method does not say. */
  readonly flops: number | null
  /** Most bytes that tensors held while the edits were computed, over what they held before. */
  readonly peakBytes: number | null
  /** What must be stored of its edit. */
  readonly editBytes: number | null
  readonly lossCurve: readonly number[]
  /** Further diagnostics of the method, as JSON. */
  readonly diagnostics: string
  /** Why the case failed; null where it did not. */
  readonly error: string | null
}

/** A cell of a causal trace: a state that was given back to a run with noise. */
export interface TraceRow {
  readonly model: string
  readonly dataset: string
  readonly fact: string
  readonly prompt: string
  readonly subject: string
  /** The token whose probability this is. */
  readonly answer: string
  /** Its probability without noise, and with. */
  readonly high: number
  readonly low: number
  /** What is given back: `block`, `mlp`, `attention`, `block, mlps severed`, `block, attentions severed`. */
  readonly kind: string
  /** Where: from 0, with its text and what it is in the prompt. */
  readonly token: number
  readonly text: string
  readonly role: string
  readonly layer: number
  /** Mean over the noises. */
  readonly probability: number
}
