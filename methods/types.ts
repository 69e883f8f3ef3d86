import type { z } from 'zod'
import type { Edit, EditRequest } from '../harness/edit/types'
import type { LanguageModel, ModelConfig } from '../harness/model/types'

export type MethodFamily =
  | 'fine-tuning'
  | 'knowledge-cache'
  | 'additional-parameters'
  | 'meta-learning'
  | 'locate-then-edit'

/** Documents for statistics over a model's activations. */
export interface Corpus {
  /** Names the content: part of the key of everything computed from it. */
  readonly id: string
  documents(): Iterable<string>
}

/** What a method may use besides the model: no hidden globals. */
export interface EditContext {
  readonly seed: number
  /** Folder for statistics that outlive a run, keyed by content hash. */
  readonly cacheDir: string
  readonly log: (message: string, details?: Readonly<Record<string, unknown>>) => void
  /** Called when some groups are edited: those that were computed together. For progress, and for the time and memory of an edit. */
  readonly onEdit?: (groups: readonly number[]) => void
  /** Called for every part of the shared work: whether it was computed now or found in a cache. */
  readonly onSetup?: (what: string, how: 'computed' | 'cached') => void
  /** Text for second moments, when the config names one or the model comes with one. */
  readonly corpus?: Corpus
}

export interface EditingMethod<Schema extends z.ZodType = z.ZodType> {
  /** Published name in lower case, as in configs. */
  readonly name: string
  readonly title: string
  readonly family: MethodFamily
  /** Paper, one line. */
  readonly source: string
  /** The book's efficiency column: can one edit hold many facts at once? */
  readonly supportsBatch: boolean
  readonly hyperparameters: Schema
  /**
   * Whether the hyper-parameters fit a model; asked at planning, before any weight is read.
   * @throws UserError whose place is the hyper-parameter
   */
  check?(model: ModelConfig, h: z.output<Schema>): void
  /** Published or measured values for a model, which the config overrides. */
  defaults?(model: ModelConfig): Readonly<Partial<z.input<Schema>>>
  /**
   * About how often every token of a request goes through the whole model, forward, while it is edited (a backward pass counts as
   * two): for estimates.
   */
  passesPerToken?(model: ModelConfig, h: z.output<Schema>): number
  /**
   * Work shared by all edits of a run (second moments, context templates), timed apart as setup.
   * What it computes is cached by (model hash, content), on disk where it is costly.
   */
  prepare?(model: LanguageModel, h: z.output<Schema>, context: EditContext): Promise<void>
  /**
   * One `Edit` for every group; a group is the set of facts one edit must hold at the same time (size 1 in the single protocol).
   * Groups are independent, so a method may compute them together.
   */
  edit(
    model: LanguageModel,
    groups: readonly (readonly EditRequest[])[],
    h: z.output<Schema>,
    context: EditContext
  ): Promise<Edit[]>
}
