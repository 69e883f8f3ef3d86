import type { EditCase } from '../../datasets/types'
import type { DatasetEntry } from '../config/schema'
import type { Edit } from '../edit'
import type { ModelIdentity } from '../model'
import type { OutsideModule } from '../outside'
import type { Setup } from '../results/manifest'
import type { Protocol } from '../results/protocol'
import type { EditRow } from '../results/rows'
import type { FreeAnswerOptions } from '../scoring/free-answers'
import type { JudgeOptions } from '../scoring/judge'
import type { BackendName } from '../tensor'
import type { TracedFact, TraceOptions, Traces } from '../tracing/types'
import type { Found } from './find'

/*
 * What a run asks of whoever executes it, and what it gets back: plain values and bytes that a structured clone carries, so that they can cross to
 * another process or machine. Models, corpora and data are named by their content.
 */

/** Where text for second moments comes from, a file or the embedded world's own corpus, and the name of its content. */
export interface CorpusSource {
  readonly source: { readonly file: string } | 'world'
  readonly id: string
  /** Of a table: its rows as JSON Lines. */
  readonly rows?: string
}

/** Cases that a method is trained on: where they come from, and the hash of what they are. */
export interface TrainingData {
  readonly entries: readonly (DatasetEntry & { readonly module?: OutsideModule })[]
  readonly hash: string
}

/** A method as it is to be run. */
export interface MethodTask {
  readonly setting: string
  readonly name: string
  /** Where a method from outside the project is. */
  readonly module?: OutsideModule
  /** Resolved: defaults filled in. */
  readonly hyperparameters: Readonly<Record<string, unknown>>
  /** Missing for methods that learn nothing beforehand. */
  readonly training?: TrainingData
}

/** Names a method as it is set up on a model of a run: what settings of the same name share. */
export const methodKey = (model: string, { name, module, hyperparameters }: MethodTask): string =>
  JSON.stringify([model, name, module?.hash, hyperparameters])

/** What all tasks of a run share. */
export interface WorkerSetup {
  readonly backend: BackendName | 'auto'
  readonly threads: number
  readonly seed: number
  readonly cacheDir: string
  readonly corpus?: CorpusSource
  readonly localityTokens: number
  readonly freeAnswers?: FreeAnswerOptions
  readonly judge?: JudgeOptions
}

/** What became of the edit of a batch, as the part that made it says it. */
export interface MadeEdit {
  readonly row: EditRow
  /** Cases that the edit holds. */
  readonly held: number
}

/** Cases that are edited and asked by some methods, and what comes before them in their chain. */
export interface ShardTask {
  readonly type: 'shard'
  readonly model: string
  readonly opened: ModelIdentity
  readonly methods: readonly MethodTask[]
  readonly measures: readonly string[]
  readonly protocol: Protocol
  readonly cases: readonly EditCase[]
  /** Index of the first case among those of its setting. */
  readonly start: number
  /** Cases whose edits are stored. */
  readonly storeEditsOf: readonly string[]
  /** Of a batch that is asked in parts: all its cases, for the part that makes the edit, and what became of it for the others. */
  readonly batch?: readonly EditCase[]
  readonly made?: MadeEdit
  /** Of a chain: its edit so far, and the cases before, when all are asked again at the end. Of a batch in parts: its edit. */
  readonly soFar?: Edit
  readonly askAgain?: readonly EditCase[]
  /** By method what was found for the cases' facts before; missing where it is found while they are edited. */
  readonly found?: readonly (readonly Found[] | undefined)[]
}

/** Facts of a model that are traced, some of all. */
export interface TraceTask {
  readonly type: 'trace'
  readonly model: string
  readonly opened: ModelIdentity
  readonly facts: readonly TracedFact[]
  readonly among: readonly TracedFact[]
  readonly options: Omit<TraceOptions, 'drawn' | 'onFact'>
}

/** What can be asked of an executor. `opened` is the model as the run opened it: another one is refused. */
export type Task =
  /** Open a model; the answer says what it is. */
  | { readonly type: 'open'; readonly model: string }
  /** Learn what a method must know before it edits; the answer says how long it took. */
  | { readonly type: 'train'; readonly model: string; readonly opened: ModelIdentity; readonly method: MethodTask }
  /** Do the work that all edits of a method share; the answer says how long it took. */
  | { readonly type: 'prepare'; readonly model: string; readonly opened: ModelIdentity; readonly method: MethodTask }
  /** Find what a method's edits of some cases need. */
  | {
      readonly type: 'find'
      readonly model: string
      readonly opened: ModelIdentity
      readonly method: MethodTask
      readonly cases: readonly EditCase[]
    }
  | ShardTask
  /** Trace some facts. */
  | TraceTask
  | { readonly type: 'weights-hash'; readonly model: string; readonly opened: ModelIdentity }

export interface OpenedModel extends ModelIdentity {
  readonly architecture: string
  readonly backend: string
}

export interface ShardResult {
  /** Arrow files. */
  readonly answers: Uint8Array
  readonly edits: Uint8Array
  readonly failed: number
  readonly stored: readonly { readonly setting: string; readonly caseId: string; readonly edit: Edit }[]
  /** Of a chain: its edit after these cases. Of a batch in parts: its edit. */
  readonly soFar?: Edit
}

export interface TaskResults {
  readonly open: OpenedModel
  readonly train: NonNullable<Setup['training']>
  readonly prepare: Setup
  readonly find: Found
  readonly shard: ShardResult
  readonly trace: Traces
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
  | { readonly type: 'event'; readonly event: WorkEvent }

/** What is said while a task is done. */
export type WorkEvent =
  /** So many cases are edited. */
  | { readonly type: 'edited'; readonly setting: string; readonly count: number }
  | {
      readonly type: 'training'
      readonly setting: string
      readonly step: number
      readonly steps: number
      readonly loss?: number
    }
  | { readonly type: 'log'; readonly message: string; readonly details?: Readonly<Record<string, unknown>> }

/** An error that can cross a process boundary. */
export interface PlainError {
  readonly message: string
  /** Mistakes of the user have these, bugs have a stack. */
  readonly user?: { readonly place?: string; readonly hint?: string }
  readonly stack?: string
}
