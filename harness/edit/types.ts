import type { EditPart } from './kinds'

/** One fact to write into a model. The prompt holds the subject verbatim; the target has no leading space. */
export interface EditRequest {
  readonly prompt: string
  readonly subject: string
  /** Where the subject stands in the prompt, in characters, when the record says it (its slot `{}`). */
  readonly subjectAt?: number
  readonly target: string
  /** An image that the prompt is about, for models that see. */
  readonly image?: string
  /** What the model is expected to say before the edit, where the dataset knows it. */
  readonly previousTarget?: string
}

/**
 * How the edited model M* differs from M: plain data, never a changed model.
 * `diagnostics` holds what the method wants to show (loss curve, norms) and never affects the answer.
 */
export interface Edit {
  readonly method: string
  readonly requests: readonly EditRequest[]
  readonly parts: readonly EditPart[]
  /** What a method must know of this edit to edit on top of it (the keys that AlphaEdit keeps); never part of an answer. */
  readonly carry?: Readonly<Record<string, CarriedArray>>
  readonly diagnostics: EditDiagnostics
}

/** An array that is carried from edit to edit. */
export interface CarriedArray {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export interface EditDiagnostics {
  /** Loss at every optimisation step, where the method optimises. */
  readonly lossCurve?: readonly number[]
  /** Matrix FLOPs (multiply + add = 2) that this edit takes by its own tokens, alone or in company; missing where not known. */
  readonly flops?: number
  /** Anything else worth keeping, by name. */
  readonly values?: Readonly<Record<string, number>>
}
