import type * as tf from '@tensorflow/tfjs-core'
import type { z } from 'zod'
import type { LanguageModel, SiteChange, SiteName, TensorToWrite } from '../../model'

/** What every part of an edit has. */
export interface AnyPart {
  readonly kind: string
  /** Where in the model it acts; a part without a site acts on the text. */
  readonly site?: SiteName
}

/** The arrays of a stored part. */
export interface StoredArrays {
  has(name: string): boolean
  /** @throws UserError when it is missing, of another length, or holds what is no number */
  read(name: string, length: number): Float32Array
}

/** A kind of part of an edit: how it is checked, stored, and what it does. A new one is a file and a line in `kinds/index.ts`. */
export interface PartKind<P extends AnyPart> {
  readonly kind: P['kind']
  /** What edit.json holds of a part; its arrays are in edit.safetensors. */
  readonly header: z.ZodType
  headerOf(part: P): Readonly<Record<string, unknown>>
  arrays(part: P): Readonly<Record<string, TensorToWrite>>
  /** The inverse of `headerOf` and `arrays`, for a header that `header` accepts. */
  revive(header: unknown, arrays: StoredArrays): P
  /** Bytes of what must be kept that is not in arrays. */
  textBytes?(part: P): number
  /** @throws UserError when the part cannot act on the model: it would change nothing, and say nothing */
  check(part: P, model: Pick<LanguageModel, 'config' | 'weightShape'>): void
  /** Several parts of one edit at one site as a single part; without it, and where they cannot be one, they act one after another. */
  merge?(parts: readonly [P, ...P[]]): P | undefined
  /** What the parts do at their site: row i of the batch carries `parts[i]`. */
  change?(parts: readonly (P | undefined)[]): SiteChange
  /** The weights that the part adds to, such as `layers.3.mlp.proj.weight`; and what it adds to one of them, undefined for all others. */
  weightNames?(part: P): readonly string[]
  weightDelta?(part: P, name: string): tf.Tensor | undefined
  /** The prompt that the model is asked instead. */
  rewrite?(part: P, prompt: string): string
  /** The answer that is given instead of asking the model. */
  answer?(part: P, prompt: string): string | undefined
  /** Whether the other parts of its edit act on this prompt: a gate. */
  applies?(part: P, prompt: string): boolean
}
