import type * as tf from '@tensorflow/tfjs-core'
import type { Random } from '../random'

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
  /** Of the families in architectures/. */
  readonly architecture: string
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

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface Tokenizer {
  readonly vocabSize: number
  /** Token ids without special tokens. */
  encode(text: string): number[]
  decode(ids: readonly number[]): string
  /** Put before every prompt (Llama's `<s>`); empty for GPT-2 and GPT-J. */
  readonly prefix: readonly number[]
  /** Messages as the model's chat template puts them, up to where its answer begins. @throws UserError when it has none */
  chat(messages: readonly ChatMessage[]): string
  /** Ends a text; also what ROME's context templates are sampled from. */
  readonly endOfText: number
}

/**
 * Sites are named as the field names hook points: `embed`, `layers.N.in` (residual stream entering block N), `layers.N.attn.q` and the other
 * linear maps, `layers.N.mlp` (the whole MLP, before what it gives is normed or added), `layers.N.mlp.fc`, `layers.N.mlp.proj` (W_proj, its
 * output is the value), `layers.N.out`, `head` (the logits). `SITE:in` is the input of a linear map or an MLP: `layers.N.mlp.proj:in` is the key.
 */
export type SiteName = string

/** Where the rows of a value at a site stand in their batch. */
export interface RowPlaces {
  /** Row of the batch that each row of the value belongs to: all of them in order, but at `head` only those whose logits are asked. */
  readonly rows: Int32Array
  /** Real tokens of every row of the batch. */
  readonly lengths: readonly number[]
  /** Where every row's prompt ends: the position of its last token among the batch's; negative where it lies in the past. */
  readonly promptEnd: readonly number[]
}

/** What becomes of a site's output y `[rows, seq, out]` given its input x `[rows, seq, in]`. Differentiable in x, y and tensors of its own. */
export type SiteChange = (x: tf.Tensor3D, y: tf.Tensor3D, where: RowPlaces) => tf.Tensor3D

export type Changes = ReadonlyMap<SiteName, SiteChange>

/** The changes of a batch that is made of some of the items asked for, whose indexes are given in the order of the batch's rows. */
export type ChangesOf = (items: readonly number[]) => Changes

/** Token ids as equal-length rows, padded on the right; `lengths[i]` real tokens in row i. */
export interface TokenBatch {
  /** `[batch, seq]`, row-major. */
  readonly ids: Int32Array
  readonly batch: number
  readonly seq: number
  readonly lengths: readonly number[]
  /** Tokens of every row that are its prompt, those of the past included; all of its tokens when missing. */
  readonly prompts?: readonly number[]
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
  /** What becomes of the output of sites. A site that this pass does not come by changes nothing, one that the model does not have is an error. */
  readonly changes?: Changes
  /** Sites whose value is returned, as it is after its change. */
  readonly capture?: readonly SiteName[]
  /** Start at block `layer` with the residual stream `hidden` `[batch, seq, dim]` instead of the embedding. */
  readonly from?: { readonly layer: number; readonly hidden: tf.Tensor3D }
  /** Where to stop (exclusive end: blocks from..to-1 run). Logits only if to = layers (default). */
  readonly to?: number
  readonly past?: KeyValueCache
  /** Return keys and values of the new positions as a cache. */
  readonly keepCache?: boolean
  /** Where logits are computed; none when missing. */
  readonly logitsAt?: Positions
  /**
   * Nothing but the logits is wanted: the last block works for their positions alone, unless a site in it is changed or captured, or a cache is kept.
   * What else it gives is of no use.
   */
  readonly logitsOnly?: boolean
  /**
   * What sites of the first block (`streamSites`) give at all but each row's first position, `[batch, seq - 1, out]`: known from a pass whose stream differed
   * there alone, and not computed again. Of no account where something in that block is changed, captured or kept.
   */
  readonly settled?: ReadonlyMap<SiteName, tf.Tensor3D>
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
  /** Positions that the last block works for, where logits alone are wanted: of the others it needs keys and values. All when missing. */
  readonly asked?: number
  /** What `streamSites` of the first block give is known, but for the first token. */
  readonly settled?: boolean
  /** Positions every token attends to, masked ones included. */
  readonly context?: number
  /** With the gradient of the activations, not of weights. */
  readonly backward?: boolean
}

/** A continuation of a prompt, as ids. */
export interface ToScore {
  readonly prompt: string
  readonly target: readonly number[]
  /** What it is changed by: those with one prompt that are changed by the same thing share the pass over it. Missing: by nothing that others are. */
  readonly under?: unknown
}

export interface TargetScore {
  /** The model's own choice at every position of the target, given the target before it. */
  readonly argmax: readonly number[]
  /** Negative log likelihood of every token of the target, in nats. */
  readonly nll: readonly number[]
  /** The model's choice after the whole target. */
  readonly next: number
  /** False where the logits of a changed model are NaN or infinite. The unchanged model's never are: that is an error. */
  readonly finite: boolean
}

/** A prompt to go on from, after what was said already. */
export interface ToContinue {
  readonly prompt: string
  readonly said?: readonly number[]
}

export interface GenerateOptions {
  readonly maxNewTokens: number
  /** Generation of a row ends after a token for which this is true, itself included; the end of the text always ends it. */
  readonly endsWith?: (id: number) => boolean
  /** The changes rows are generated under; the model as it is when missing. */
  readonly changesOf?: ChangesOf
  /** Tokens are drawn instead of chosen. */
  readonly sample?: Sampling
  /** The end of a text does not end a row: what follows is another text. */
  readonly pastEnd?: boolean
}

export interface Sampling {
  /** Of so many likeliest tokens, by their probabilities. */
  readonly topK: number
  /** Where the numbers of an item come from: one of its own makes what it says the same in any company. */
  readonly random: (item: number) => Random
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
  /** Shape of a weight; undefined when the model has none of that name. */
  weightShape(name: string): readonly number[] | undefined
  /**
   * Teacher-forced scores of continuations: greedy decoding gives a target exactly if and only if `argmax` equals it.
   * @throws UserError when the logits are not finite and nothing was changed
   */
  score(items: readonly ToScore[], changesOf?: ChangesOf): TargetScore[]
  /** Greedy continuations of prompts, without the end-of-text token. @throws NotFinite */
  generate(items: readonly ToContinue[], options: GenerateOptions): number[][]
  /**
   * One pass. Differentiable with respect to `from.hidden`, tensors inside `changes` and `weights`.
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
  /** Sites of a block that give at a position what the stream into the block there decides alone. */
  streamSites(layer: number): readonly SiteName[]
  dispose(): void
}
