import type { Setup } from '../results/manifest'
import type { WorkEvent } from './tasks'

/** All that a run says of itself. The runner prints nothing: terminals, logs and reporters listen. */
export type RunEvent =
  | { readonly type: 'preparing'; readonly cases: number }
  | {
      readonly type: 'started'
      readonly run: string
      readonly dir: string
      readonly resumed: boolean
      readonly shards: number
      readonly workers: number
    }
  | { readonly type: 'trained'; readonly setting: string; readonly training: NonNullable<Setup['training']> }
  | { readonly type: 'prepared'; readonly setting: string; readonly setup: Setup }
  /** Cases edited so far, of so many; those of earlier sessions included. */
  | { readonly type: 'progress'; readonly done: number; readonly total: number }
  | { readonly type: 'shard'; readonly index: number; readonly cases: number; readonly failed: number }
  /** A stored shard that cannot be read is computed again. */
  | { readonly type: 'damaged'; readonly index: number; readonly reason: string }
  | { readonly type: 'complete'; readonly seconds: number }
  /** For whoever watches. */
  | { readonly type: 'note'; readonly message: string }
  | WorkEvent

export type OnRunEvent = (event: RunEvent) => void
