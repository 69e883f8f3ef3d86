import * as tf from '@tensorflow/tfjs-core'
import type { AttentionOptions, RotaryStyle } from './ops'

/*
 * The fused ops written out in plain TensorFlow.js: the definition of what every one of them computes, the path of the
 * backends that have no fused kernels, and what the fused kernels are tested against. Docstrings are in ops.ts.
 */

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI)
/** Finite stand-in for minus infinity: a row whose keys are all masked averages its values instead of becoming NaN. */
export const MASKED = -1e9

export function linear(x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor {
  const [out, width] = weight.shape
  const product = tf.matMul(x.reshape([-1, width]) as tf.Tensor2D, weight, false, true)
  const y = bias === undefined ? product : product.add(bias)
  return y.reshape([...x.shape.slice(0, -1), out])
}

export function layerNorm(x: tf.Tensor, gain: tf.Tensor1D, bias: tf.Tensor1D, eps: number): tf.Tensor {
  const centred = x.sub(x.mean(-1, true))
  const inverseStd = centred.square().mean(-1, true).add(eps).rsqrt()
  return centred.mul(inverseStd).mul(gain).add(bias)
}

export function rmsNorm(x: tf.Tensor, gain: tf.Tensor1D, eps: number): tf.Tensor {
  return x.mul(x.square().mean(-1, true).add(eps).rsqrt()).mul(gain)
}

export function gelu(x: tf.Tensor): tf.Tensor {
  const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(SQRT_2_OVER_PI)
  return x.mul(0.5).mul(inner.tanh().add(1))
}

export function geluErf(x: tf.Tensor): tf.Tensor {
  return x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1))
}

export function silu(x: tf.Tensor): tf.Tensor {
  return x.mul(x.sigmoid())
}

export function swiglu(gate: tf.Tensor, up: tf.Tensor): tf.Tensor {
  return silu(gate).mul(up)
}

export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, seq, width] = x.shape
  return x.reshape([batch, seq, heads, width / heads]).transpose([0, 2, 1, 3]) as tf.Tensor4D
}

export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [batch, heads, seq, headDim] = x.shape
  return x.transpose([0, 2, 1, 3]).reshape([batch, seq, heads * headDim]) as tf.Tensor3D
}

export function rotary(x: tf.Tensor4D, cos: tf.Tensor3D, sin: tf.Tensor3D, style: RotaryStyle): tf.Tensor4D {
  const [batch, heads, seq, headDim] = x.shape
  const half = cos.shape[2]
  const c = cos.expandDims(1)
  const s = sin.expandDims(1)
  const turned = x.slice([0, 0, 0, 0], [batch, heads, seq, 2 * half])
  let rotated: tf.Tensor
  if (style === 'interleaved') {
    const pairs = turned.reshape([batch, heads, seq, half, 2])
    const [even, odd] = tf.unstack(pairs, 4) as [tf.Tensor, tf.Tensor]
    rotated = tf.stack([even.mul(c).sub(odd.mul(s)), odd.mul(c).add(even.mul(s))], 4).reshape(turned.shape)
  } else {
    const [first, second] = tf.split(turned, 2, 3) as [tf.Tensor, tf.Tensor]
    rotated = tf.concat([first.mul(c).sub(second.mul(s)), second.mul(c).add(first.mul(s))], 3)
  }
  if (2 * half === headDim) return rotated as tf.Tensor4D
  const rest = x.slice([0, 0, 0, 2 * half], [batch, heads, seq, headDim - 2 * half])
  return tf.concat([rotated, rest], 3) as tf.Tensor4D
}

/** `[seq, past + seq]`: 1 where query i may see key j (past + i - window < j <= past + i), else 0. */
export function causalMask(seq: number, keys: number, window = keys): Float32Array {
  const mask = new Float32Array(seq * keys)
  for (let i = 0; i < seq; i++) {
    const end = keys - seq + i + 1
    mask.fill(1, i * keys + Math.max(0, end - window), i * keys + end)
  }
  return mask
}

export function attention(q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, options: AttentionOptions): tf.Tensor4D {
  const [batch, heads, seq, headDim] = q.shape
  const [, kvHeads, keys] = k.shape as [number, number, number, number]
  // Query heads that share a key head lie side by side, so grouping them is a reshape.
  const grouped = q.reshape([batch, kvHeads, (heads / kvHeads) * seq, headDim])
  const raw = tf.matMul(grouped, k, false, true).mul(options.scale ?? 1 / Math.sqrt(headDim))
  const { softcap: cap } = options
  const scores = cap === undefined ? raw : raw.div(cap).tanh().mul(cap)
  // Arithmetic rather than tf.where: its condition has no gradient when built inside a differentiated function.
  const { keyMask } = options
  let visible: tf.Tensor
  if (keyMask?.rank === 3) visible = keyMask.reshape([batch, 1, seq, keys])
  else {
    visible = tf.tensor(causalMask(seq, keys, options.window), [1, 1, seq, keys])
    if (keyMask !== undefined) visible = visible.mul(keyMask.reshape([batch, 1, 1, keys]))
  }
  const masked = scores.reshape([batch, heads, seq, keys]).add(visible.sub(1).mul(-MASKED))
  const probabilities = tf.softmax(masked, -1).reshape([batch, kvHeads, (heads / kvHeads) * seq, keys])
  return tf.matMul(probabilities, v).reshape([batch, heads, seq, headDim]) as tf.Tensor4D
}

export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D {
  const chosen = tf.oneHot(labels, logits.shape[1]).toFloat()
  return tf.logSoftmax(logits, -1).mul(chosen).sum(-1).neg() as tf.Tensor1D
}

/** Of the quintic iteration of Jordan et al. (2024), which pulls singular values towards 1 fast rather than exactly. */
export const NEWTON_SCHULZ = { coefficients: [3.4445, -4.775, 2.0315], iterations: 5 } as const

export function orthogonal(x: tf.Tensor2D): tf.Tensor2D {
  const [a, b, c] = NEWTON_SCHULZ.coefficients
  const tall = x.shape[0] > x.shape[1]
  let y: tf.Tensor2D = tall ? x.transpose() : x
  for (let i = 0; i < NEWTON_SCHULZ.iterations; i++) {
    const gram = tf.matMul(y, y, false, true)
    y = y.mul(a).add(tf.matMul(gram.mul(b).add(tf.matMul(gram, gram).mul(c)), y))
  }
  return tall ? y.transpose() : y
}
