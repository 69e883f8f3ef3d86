import type { EditCase } from '../../datasets/types'
import type { ModelIdentity } from '../model/types'
import type { Setup } from '../results/types'
import type { BackendName } from '../tensor'

/** Where text for second moments comes from, a file or the embedded world's own corpus, and the name of its content. */
export interface CorpusSource {
  readonly source: { readonly file: string } | 'world'
  readonly id: string
}

/** A method as a worker is to run it. */
export interface MethodTask {
  readonly setting: string
  readonly name: string
  /** Resolved: defaults filled in. */
  readonly hyperparameters: Readonly<Record<string, unknown>>
}

/** What all tasks of a run share. */
export interface WorkerSetup {
  readonly backend: BackendName | 'auto'
  readonly threads: number
  readonly seed: number
  readonly cacheDir: string
  readonly corpus?: CorpusSource
  readonly localityTokens: number
}

/** What a worker process can be asked to do. `opened` is the model as the run opened it: another one is refused. */
export type Task =
  /** Open a model; the answer says what it is. */
  | { readonly type: 'open'; readonly model: string }
  /** Do the work that all edits of a method share; the answer says how long it took. */
  | { readonly type: 'prepare'; readonly model: string; readonly opened: ModelIdentity; readonly method: MethodTask }
  /** Edit and score some cases by every method and store their rows. */
  | {
      readonly type: 'shard'
      readonly model: string
      readonly opened: ModelIdentity
      readonly methods: readonly MethodTask[]
      readonly cases: readonly EditCase[]
      /** Folder the rows go to. */
      readonly dir: string
      /** Where edits are stored, and of which cases. */
      readonly editsDir: string
      readonly storeEditsOf: readonly string[]
    }
  | { readonly type: 'weights-hash'; readonly model: string; readonly opened: ModelIdentity }

export interface OpenedModel extends ModelIdentity {
  readonly architecture: string
  readonly backend: string
}

export interface TaskResults {
  readonly open: OpenedModel
  readonly prepare: Setup
  readonly shard: { readonly failed: number }
  readonly 'weights-hash': { readonly weightsHash: string }
}

/** Parent to worker. */
export interface TaskMessage {
  readonly id: number
  readonly setup: WorkerSetup
  readonly task: Task
}

/** Worker to parent. */
export type WorkerMessage =
  | { readonly type: 'done'; readonly id: number; readonly result: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: PlainError }
  /** So many edits are computed. */
  | { readonly type: 'edit'; readonly setting: string; readonly count: number }
  | { readonly type: 'log'; readonly message: string; readonly details?: Readonly<Record<string, unknown>> }

/** An error that can cross a process boundary. */
export interface PlainError {
  readonly message: string
  /** Mistakes of the user have these, bugs have a stack. */
  readonly user?: { readonly place?: string; readonly hint?: string }
  readonly stack?: string
}
