import type * as tf from '@tensorflow/tfjs'
import type { Edit } from '../edit/types'

/** Named as in the papers; each a file in architectures/. */
export type ArchitectureName =
  | 'gpt2'
  | 'gptj'
  | 'gpt-neox'
  | 'opt'
  | 'llama'
  | 'mistral'
  | 'qwen2'
  | 'qwen3'
  | 'gemma'
  | 'gemma2'
  | 'gemma3'

/** How rotary frequencies are changed so that a model sees further than it was trained to. */
export type RotaryScaling =
  | { readonly kind: 'linear'; readonly factor: number }
  /** Llama 3.1: low frequencies slowed by `factor`, high ones kept, a ramp in between. */
  | {
      readonly kind: 'llama3'
      readonly factor: number
      readonly lowFrequency: number
      readonly highFrequency: number
      readonly trainedPositions: number
    }
  /** arXiv 2309.00071. */
  | {
      readonly kind: 'yarn'
      readonly factor: number
      readonly betaFast: number
      readonly betaSlow: number
      readonly trainedPositions: number
      /** cos and sin are multiplied by it. */
      readonly attentionFactor: number
      /** Whether the bounds of the ramp are rounded to whole dimensions. */
      readonly truncate: boolean
    }

/** What every supported architecture's config.json boils down to. */
export interface ModelConfig {
  readonly architecture: ArchitectureName
  readonly layers: number
  /** Width of the residual stream. */
  readonly dim: number
  readonly heads: number
  /** Heads of keys and values; fewer than `heads` means grouped-query attention. */
  readonly kvHeads: number
  readonly headDim: number
  /** Width of the MLP (d_ff). */
  readonly ffDim: number
  readonly vocab: number
  readonly maxPositions: number
  readonly normEps: number
  /** Rotated dimensions of every head (0 where positions are learnt). */
  readonly rotaryDim: number
  readonly rotaryTheta: number
  readonly rotaryScaling?: RotaryScaling
  readonly tiedHead: boolean
  /** How many keys a query of each block sees, null for all before it (sliding windows). */
  readonly windows?: readonly (number | null)[]
  /** Rotary base and scaling of the blocks that have a window, where they differ (Gemma 3). */
  readonly windowRotaryTheta?: number
  readonly windowRotaryScaling?: RotaryScaling
  /** Factor of attention scores; 1/√headDim when missing. */
  readonly attentionScale?: number
  /** Caps of attention scores and logits, cap·tanh(x/cap) (Gemma 2). */
  readonly attentionSoftcap?: number
  readonly logitSoftcap?: number
  /** Embeddings are multiplied by it (Gemma: √dim). */
  readonly embedScale?: number
  /** Row of the position table where position 0 stands (OPT: 2). */
  readonly positionOffset?: number
  /** Linear maps that have a bias, where a family leaves it open. */
  readonly biases?: { readonly qkv: boolean; readonly attnOut: boolean; readonly mlp: boolean }
  /** Attention and MLP read the same input side by side, where a family leaves it open (GPT-NeoX). */
  readonly parallel?: boolean
  /** Activation of the MLP, where a family leaves it open. */
  readonly activation?: 'gelu' | 'gelu-erf' | 'relu' | 'silu'
}

/** Which weights a model was opened with. */
export interface ModelIdentity {
  readonly hash: string
  readonly weightsHash: string
  /** Names, sizes, times and inodes of the files it was read from: while they are the same, so are the hashes. */
  readonly files: string
}

export interface Tokenizer {
  readonly vocabSize: number
  /** Token ids without special tokens. */
  encode(text: string): number[]
  decode(ids: readonly number[]): string
  /** Put before every prompt (Llama's `<s>`); empty for GPT-2 and GPT-J. */
  readonly prefix: readonly number[]
  /** Ends a text; also what ROME's context templates are sampled from. */
  readonly endOfText: number
}

/** Sites are named as the field names hook points; `weight` sites are linear maps seen as [out, in]. */
export type SiteName = string

/** Token ids as equal-length rows, padded on the right; `lengths[i]` real tokens in row i. */
export interface TokenBatch {
  /** `[batch, seq]`, row-major. */
  readonly ids: Int32Array
  readonly batch: number
  readonly seq: number
  readonly lengths: readonly number[]
}

/** Keys and values of positions before the batch's first token, one pair of tensors a layer. Rows are padded on the LEFT. */
export interface KeyValueCache {
  /** Layer -> `[batch, kvHeads, past, headDim]`, rotary already applied to keys. Missing for layers never run. */
  readonly keys: ReadonlyMap<number, tf.Tensor4D>
  readonly values: ReadonlyMap<number, tf.Tensor4D>
  /** Real past tokens of every row; position of the row's first new token. */
  readonly lengths: readonly number[]
  readonly past: number
}

/** (row, position) pairs at which logits are wanted. */
export interface Positions {
  readonly rows: Int32Array
  readonly positions: Int32Array
}

export interface ForwardOptions {
  /** The edits rows carry; `rowEdit[i]` is an index into `edits`, -1 for the base model. Dense edits must serve every row of the batch. */
  readonly edits?: { readonly edits: readonly Edit[]; readonly rowEdit: Int32Array }
  /**
   * Hook points whose value is returned. Names: `embed`, `layers.N.in` (residual stream entering block N), `layers.N.attn.out`,
   * `layers.N.mlp.fc` (input of that linear map), `layers.N.mlp.proj:in` (the key: input of W_proj),
   * `layers.N.mlp.proj` (its output, the value), `layers.N.out`.
   */
  readonly capture?: readonly SiteName[]
  /** Differentiable replacement of the value at a hook point. */
  readonly replace?: Readonly<Record<SiteName, (value: tf.Tensor3D) => tf.Tensor3D>>
  /** Start at block `layer` with the residual stream `hidden` `[batch, seq, dim]` instead of the embedding. */
  readonly from?: { readonly layer: number; readonly hidden: tf.Tensor3D }
  /** Where to stop (exclusive end: blocks from..to-1 run). Logits only if to = layers (default). */
  readonly to?: number
  readonly past?: KeyValueCache
  /** Return keys and values of the new positions as a cache. */
  readonly keepCache?: boolean
  /** Where logits are computed; none when missing. */
  readonly logitsAt?: Positions
  /** Trainable or substitute weights by checkpoint-independent name (`layers.0.mlp.proj.weight` as [out, in]); used by FT and training. */
  readonly weights?: Readonly<Record<string, tf.Tensor>>
}

export interface ForwardResult {
  /** Residual stream after the last block run, before the final norm, `[batch, seq, dim]`. */
  readonly hidden: tf.Tensor3D
  /** `[logitsAt.rows.length, vocab]`. */
  readonly logits?: tf.Tensor2D
  readonly captured: Readonly<Record<SiteName, tf.Tensor3D>>
  readonly cache?: KeyValueCache
}

export interface PassFlopsOptions {
  readonly from?: number
  readonly to?: number
  readonly logits?: number
  /** Positions every token attends to, masked ones included. */
  readonly context?: number
  /** With the gradient of the activations, not of weights. */
  readonly backward?: boolean
}

/** A model opened from a checkpoint folder: weights loaded once, read-only. Close it with `dispose`. */
export interface LanguageModel {
  /** As written in configs: `gptj-mini`, `EleutherAI/gpt-j-6b`, a folder. */
  readonly name: string
  readonly config: ModelConfig
  readonly tokenizer: Tokenizer
  /** SHA-256 over config, tokenizer and weights as loaded; the key of every cache. */
  readonly hash: string
  /** What it was when it was opened. */
  readonly identity: ModelIdentity
  /** SHA-256 over the weights in memory now: equal before and after a run, since edits are values. */
  weightsHash(): string
  /** Weight by checkpoint-independent name (`embed.weight`, `layers.N.mlp.proj.weight`, `.bias` ..., `head.weight`), linear maps as [out, in]. */
  weight(name: string): tf.Tensor
  weightNames(): readonly string[]
  /**
   * One pass. Differentiable with respect to `from.hidden`, tensors inside `replace` hooks and `weights`.
   * The caller disposes the returned tensors (or calls it inside tf.tidy).
   */
  forward(batch: TokenBatch, options?: ForwardOptions): ForwardResult
  /**
   * Change of the residual stream after block `layer` when the output of its MLP, `value`, becomes `value + delta`; both
   * `[rows, dim]`. The change itself but where the architecture norms what it adds. Differentiable in `delta`.
   */
  mlpEffect(layer: number, value: tf.Tensor2D, delta: tf.Tensor2D): tf.Tensor2D
  /** Matrix FLOPs of `tokens` tokens through blocks [from, to), and of logits at `logits` positions. */
  passFlops(tokens: number, options?: PassFlopsOptions): number
  dispose(): void
}
