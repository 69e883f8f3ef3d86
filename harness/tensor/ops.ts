import * as tf from '@tensorflow/tfjs-core'
import * as reference from './reference'

/** How rotary positions pair the dimensions of a head: neighbours (GPT-J) or the two halves (Llama, GPT-NeoX). */
export type RotaryStyle = 'interleaved' | 'half'

export interface AttentionOptions {
  /** `[batch, keys]`: 1 for a real key, 0 for padding; or `[batch, seq, keys]`: 1 for all that a query sees, whatever its place. */
  readonly keyMask?: tf.Tensor2D | tf.Tensor3D
  /** Factor of the scores; 1/√headDim when missing. */
  readonly scale?: number
  /** A query sees so many keys, its own position the last; all before it when missing (sliding window). */
  readonly window?: number
  /** Scores s become cap·tanh(s/cap) (Gemma 2). */
  readonly softcap?: number
}

/** The differentiable building blocks of a transformer, which a backend may provide as single kernels. */
export type FusedOps = Omit<typeof reference, 'MASKED' | 'causalMask' | 'NEWTON_SCHULZ'>

/** By backend; the composed ops serve every backend that is not here. */
const providers = new Map<string, FusedOps>()

/** Called by a backend that has kernels of its own for these ops. */
export function provideOps(backendName: string, ops: FusedOps): void {
  providers.set(backendName, ops)
}

const implementation = (): FusedOps => providers.get(tf.getBackend()) ?? reference

/** `x·Wᵀ + b` over the last axis: x `[..., in]`, weight `[out, in]`, bias `[out]` -> `[..., out]`. */
export function linear<T extends tf.Tensor>(x: T, weight: tf.Tensor2D, bias?: tf.Tensor1D): T {
  return tf.tidy(() => implementation().linear(x, weight, bias) as T)
}

/** Layer normalisation over the last axis (biased variance), then `gain` and `bias` `[dim]`. */
export function layerNorm<T extends tf.Tensor>(x: T, gain: tf.Tensor1D, bias: tf.Tensor1D, eps: number): T {
  return tf.tidy(() => implementation().layerNorm(x, gain, bias, eps) as T)
}

/** Root-mean-square normalisation over the last axis, then `gain` `[dim]`. */
export function rmsNorm<T extends tf.Tensor>(x: T, gain: tf.Tensor1D, eps: number): T {
  return tf.tidy(() => implementation().rmsNorm(x, gain, eps) as T)
}

/** GELU in its tanh form, `gelu_new` of transformers: `0.5x(1 + tanh(√(2/π)(x + 0.044715x³)))`. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => implementation().gelu(x) as T)
}

/** GELU by the error function: `0.5x(1 + erf(x/√2))`, `gelu` of transformers. */
export function geluErf<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => implementation().geluErf(x) as T)
}

/** `x·sigmoid(x)`. */
export function silu<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => implementation().silu(x) as T)
}

/** `silu(gate)·up`, elementwise: the gated activation of Llama. */
export function swiglu<T extends tf.Tensor>(gate: T, up: T): T {
  return tf.tidy(() => implementation().swiglu(gate, up) as T)
}

/** `[batch, seq, heads·headDim]` -> `[batch, heads, seq, headDim]`. */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  return tf.tidy(() => implementation().splitHeads(x, heads))
}

/** `[batch, heads, seq, headDim]` -> `[batch, seq, heads·headDim]`. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  return tf.tidy(() => implementation().mergeHeads(x))
}

/**
 * Rotary position embedding (arXiv 2104.09864) of the first R dimensions of every head; the rest pass unchanged.
 * x `[batch, heads, seq, headDim]`, cos and sin `[batch, seq, R/2]` (not differentiated).
 */
export function rotary(x: tf.Tensor4D, cos: tf.Tensor3D, sin: tf.Tensor3D, style: RotaryStyle): tf.Tensor4D {
  return tf.tidy(() => implementation().rotary(x, cos, sin, style))
}

/**
 * Causal scaled dot-product attention. q `[batch, heads, seq, headDim]`, k and v `[batch, kvHeads, past + seq, headDim]`
 * -> `[batch, heads, seq, headDim]`. Query i sees keys 0..past+i that `keyMask` allows; query head h uses key head
 * `⌊h·kvHeads/heads⌋`. A query that sees no key gets some finite average, never NaN.
 */
export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, options: AttentionOptions = {}): tf.Tensor4D {
  return tf.tidy(() => implementation().attention(q, k, v, options))
}

/** Negative log likelihood of each row's label: logits `[n, vocab]`, labels int32 `[n]` -> `[n]`, in nats. */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => implementation().crossEntropy(logits, labels))
}

/** A matrix of norm 1 with its singular values made about 1, by Newton–Schulz iterations (not differentiated). */
export function orthogonal(x: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => implementation().orthogonal(x))
}
