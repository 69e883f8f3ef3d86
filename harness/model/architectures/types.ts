import type * as tf from '@tensorflow/tfjs-core'
import type { ModelConfig } from '../types'
import type { ConfigReader } from './config-reader'

/**
 * Which rows of a fused tensor are ours: all from `start` on, or runs of `chunk` rows that begin `every` rows apart (GPT-NeoX: head by head).
 */
export interface FusedRows {
  readonly start: number
  /** Rows of the fused tensor. */
  readonly of: number
  readonly chunk?: number
  readonly every?: number
}

/** Row of the fused tensor where our row lies. */
export const fusedRow = ({ start, chunk, every = 0 }: FusedRows, row: number): number =>
  chunk === undefined ? start + row : start + Math.floor(row / chunk) * every + (row % chunk)

/** Where a weight lies in a Hugging Face checkpoint. */
export interface WeightSource {
  /** Tensor name in the checkpoint. */
  readonly hf: string
  /** Shape as we use it; linear maps are `[out, in]`. */
  readonly shape: readonly number[]
  /** The checkpoint stores the transpose (GPT-2's Conv1D). */
  readonly transposed?: boolean
  /** Our weight is some rows (after transposing) of a fused tensor. */
  readonly rows?: FusedRows
  /** Added to every element (Gemma stores the gains of its norms less one). */
  readonly plus?: number
  /** May be absent; then the model does without it. */
  readonly optional?: boolean
}

/** What a block may use of the pass that runs it. Names are relative to nothing: `layers.3.mlp.fc`. */
export interface Pass {
  readonly config: ModelConfig
  /** A part of the block that is a site: x `[batch, seq, in]` -> `compute(x)`, changed as the pass is asked to. */
  site(name: string, x: tf.Tensor3D, compute: (x: tf.Tensor3D) => tf.Tensor3D): tf.Tensor3D
  /** Our linear map at a site, with its bias. */
  linear(site: string, x: tf.Tensor3D): tf.Tensor3D
  /** The norm of that name: layer norm, or RMS norm where it has no bias. */
  norm(name: string, x: tf.Tensor3D): tf.Tensor3D
  /** Causal attention of block `layer`: q, k, v, their norms where there are any, rotary, and the output map `layers.N.attn.out`; of the positions `asked`. */
  attention(layer: number, x: tf.Tensor3D): tf.Tensor3D
  /** Of x `[batch, seq, dim]` the positions that the block works for: all, but in a last block those whose logits are wanted. */
  asked(layer: number, x: tf.Tensor3D): tf.Tensor3D
}

/** One transformer family: how to read its config.json, where its weights are, and how a block computes. */
export interface Architecture {
  /** As in the papers. */
  readonly name: string
  /** `model_type` in config.json. */
  readonly modelType: string
  /** `architectures` in config.json, for checkpoints we write. */
  readonly className: string
  readonly rotaryStyle: 'interleaved' | 'half'
  /** Whether a block's MLP reads the stream into the block, beside the attention, instead of what the attention makes of it. */
  parallel?(config: ModelConfig): boolean
  /** The norm an MLP's output goes through before it is added to the residual stream, by its name in a block (Gemma 2 and 3). */
  readonly mlpOutputNorm?: string
  /** What config.json means. Every key that matters is read; the caller refuses those nobody read. */
  config(read: ConfigReader): ModelConfig
  /** config.json as transformers writes it: the inverse of `config`. */
  configJson(config: ModelConfig): Record<string, unknown>
  weights(config: ModelConfig): Readonly<Record<string, WeightSource>>
  /** One block: residual stream in, residual stream out, `[batch, seq, dim]`, of the positions `asked`. */
  block(pass: Pass, layer: number, x: tf.Tensor3D): tf.Tensor3D
}
