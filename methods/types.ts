import type { z } from 'zod'
import type { EditCase } from '../datasets/types'
import type { Edit, EditRequest } from '../harness/edit'
import type { LanguageModel, ModelConfig, TensorToWrite } from '../harness/model'

/** Families of the book's section 5.2, and fine-tuning as their baseline. */
export const FAMILIES = [
  'fine-tuning',
  'knowledge-cache',
  'additional-parameters',
  'meta-learning',
  'locate-then-edit'
] as const
export type MethodFamily = (typeof FAMILIES)[number]

/** Documents for statistics over a model's activations. */
export interface Corpus {
  /** Names the content: part of the key of everything computed from it. */
  readonly id: string
  documents(): Iterable<string>
}

/** What a method may use besides the model: no hidden globals. */
export interface MethodContext {
  readonly seed: number
  /** Folder for statistics that outlive a run, keyed by content hash. */
  readonly cacheDir: string
  readonly log: (message: string, details?: Readonly<Record<string, unknown>>) => void
  /** Text for second moments, when the config names one or the model comes with one. */
  readonly corpus?: Corpus
}

/** What a method may use while it edits. */
export interface EditContext extends MethodContext {
  /** What the edits before have come to, where these are to be put on top of them: their parts are in the model that is given. */
  readonly before?: Edit
  /** Others will be put on top of these: what those need is to be carried. */
  readonly goesOn?: true
  /** What the method's `find` has found for a fact already, on the model as it is given. */
  found?(request: EditRequest): object | undefined
}

export interface PrepareContext extends MethodContext {
  /** What `make` gives, made once for all that the worker prepares under this key, which must name everything it depends on. */
  keep<T>(key: string, make: () => T): T
  /** Called for every part of the shared work: whether it was computed now or found in a cache. */
  readonly onSetup?: (what: string, how: 'computed' | 'cached') => void
}

/** What training leaves: arrays, and whatever else JSON can hold. Stored as one safetensors file that can be moved between machines. */
export interface Artifact {
  readonly tensors: Readonly<Record<string, TensorToWrite>>
  readonly json?: unknown
}

/** What a method seeks for every fact by itself, before it writes. */
export interface Search {
  /** In a word: methods that seek the same share what they find. */
  readonly name: string
  /** The hyper-parameters that decide what is found. */
  readonly by: readonly string[]
}

export interface TrainingProgress {
  readonly step: number
  readonly steps: number
  readonly loss?: number
}

export interface TrainingContext extends MethodContext {
  readonly onProgress: (progress: TrainingProgress) => void
  /** What an earlier, unfinished training of the same thing has kept; undefined when there is none. */
  checkpoint(): Artifact | undefined
  /** Keeps what is learnt so far, in place of what was kept before. */
  saveCheckpoint(artifact: Artifact): void
}

/**
 * An editing method. A *group* is the set of facts that one `Edit` must hold at the same time: one in the single protocol, B in the batch
 * protocol. Groups are independent of each other.
 * @typeParam H hyper-parameters
 * @typeParam P what the work shared by all edits comes to
 */
export interface EditingMethod<H = unknown, P = unknown> {
  /** Published name in lower case, as in configs. */
  readonly name: string
  readonly title: string
  readonly family: MethodFamily
  /** Paper, one line. */
  readonly source: string
  /** The book's efficiency column: can one edit hold many facts at once? */
  readonly holdsMany: boolean
  readonly hyperparameters: z.ZodType<H>
  /** Values for a model that no file in configs/methods knows. */
  defaults?(model: ModelConfig): Readonly<Record<string, unknown>>
  /**
   * Whether the hyper-parameters fit a model; asked at planning, before any weight is read.
   * @throws UserError whose place is the hyper-parameter
   */
  check?(model: ModelConfig, h: H): void
  /**
   * About how often every token of a request goes through the whole model, forward, while it is edited (a backward pass counts as
   * two): for estimates.
   */
  passesPerToken?(model: ModelConfig, h: H): number
  /** The hyper-parameters that decide what `train` learns. */
  readonly trainedBy?: readonly string[]
  /** Whether there is something to learn with these hyper-parameters, as they are given; always when missing. */
  learns?(given: Readonly<Record<string, unknown>>): boolean
  /** What must be learnt before anything can be edited. Stored under the hash of method, `trainedBy`, model and cases. */
  train?(model: LanguageModel, cases: AsyncIterable<EditCase>, h: H, context: TrainingContext): Promise<Artifact>
  /** Work shared by all edits (second moments, context templates), timed apart as setup; the worker keeps what it comes to. */
  prepare?(model: LanguageModel, h: H, context: PrepareContext, artifact: Artifact | undefined): Promise<P>
  /**
   * Of a method that holds many: what takes it long, and is the same for a fact whatever other facts its edit holds. The runner shares it among its workers,
   * keeps it when it is interrupted, and has it found once for all edits that want it.
   */
  readonly search?: Search
  /** What is found on the model as it is, by request: an object of vectors, and of whatever else JSON can hold. */
  find?(model: LanguageModel, requests: readonly EditRequest[], h: H, prepared: P): readonly object[]
  /**
   * One `Edit` for every group, in their order. Edits that are computed together come together: their time and memory are shared by
   * them. The runner may stop listening.
   */
  edit(
    model: LanguageModel,
    groups: readonly (readonly EditRequest[])[],
    h: H,
    context: EditContext,
    prepared: P
  ): AsyncIterable<readonly Edit[]>
}

/** Whether a method must learn something before it edits. */
export const mustLearn = (
  { train, learns }: Pick<EditingMethod, 'train' | 'learns'>,
  given: Readonly<Record<string, unknown>>
): boolean => train !== undefined && learns?.(given) !== false

/** A method with the types of its hyper-parameters and shared work inferred. */
export const defineMethod = <H, P = undefined>(method: EditingMethod<H, P>): EditingMethod<H, P> => method
