import * as tf from '@tensorflow/tfjs-core'
import { randomStream } from '../random'
import { useBackend } from './backend'
import * as ops from './ops'

/** A differentiable function of some tensors; integer and constant arguments live in the closure. */
interface OpCase {
  readonly name: string
  readonly shapes: readonly (readonly number[])[]
  readonly run: (...inputs: tf.Tensor[]) => tf.Tensor
}

const random = randomStream(7, 'ops test')
const normal = (shape: readonly number[], scale = 1): Float32Array =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * random.normal())
const angles = (shape: readonly number[]) => normal(shape).map((v) => v * 3)
const t = <T extends tf.Tensor>(x: tf.Tensor) => x as T

const ROTARY = (heads: number, dim: number, rotated: number, style: ops.RotaryStyle): OpCase => {
  const theta = angles([2, 3, rotated / 2])
  return {
    name: `rotary ${style}, ${rotated} of ${dim}`,
    shapes: [[2, heads, 3, dim]],
    run: (x) =>
      ops.rotary(
        t(x),
        tf.tensor3d(theta.map(Math.cos), [2, 3, rotated / 2]),
        tf.tensor3d(theta.map(Math.sin), [2, 3, rotated / 2]),
        style
      )
  }
}

const ATTENTION = (heads: number, kvHeads: number, seq: number, past: number, mask?: number[]): OpCase => ({
  name: `attention ${heads}/${kvHeads} heads, seq ${seq}, past ${past}${mask ? `, key mask of ${mask.length}` : ''}`,
  shapes: [
    [2, heads, seq, 4],
    [2, kvHeads, past + seq, 4],
    [2, kvHeads, past + seq, 4]
  ],
  run: (q, k, v) =>
    ops.attention(t(q), t(k), t(v), mask === undefined ? {} : { keyMask: maskOf(mask, seq, past + seq) })
})

const maskOf = (mask: number[], seq: number, keys: number) =>
  mask.length === 2 * keys ? tf.tensor2d(mask, [2, keys]) : tf.tensor3d(mask, [2, seq, keys])

const scores = (heads: number, kvHeads: number, past: number, options: ops.AttentionOptions): OpCase => {
  const plain = ATTENTION(heads, kvHeads, 4, past)
  return {
    ...plain,
    name: `attention with ${JSON.stringify(options)}, past ${past}`,
    run: (q, k, v) => ops.attention(t(q), t(k), t(v), options)
  }
}

const CASES: readonly OpCase[] = [
  { name: 'linear', shapes: [[2, 3, 5], [4, 5], [4]], run: (x, w, b) => ops.linear(x, t(w), t(b)) },
  { name: 'linear of a matrix', shapes: [[3, 5], [4, 5], [4]], run: (x, w, b) => ops.linear(x, t(w), t(b)) },
  {
    name: 'linear without bias',
    shapes: [
      [1, 3, 5],
      [4, 5]
    ],
    run: (x, w) => ops.linear(x, t(w))
  },
  { name: 'linear, large', shapes: [[2, 40, 64], [96, 64], [96]], run: (x, w, b) => ops.linear(x, t(w), t(b)) },
  { name: 'layerNorm', shapes: [[2, 3, 8], [8], [8]], run: (x, g, b) => ops.layerNorm(x, t(g), t(b), 1e-5) },
  { name: 'layerNorm of a matrix', shapes: [[5, 6], [6], [6]], run: (x, g, b) => ops.layerNorm(x, t(g), t(b), 1e-6) },
  { name: 'rmsNorm', shapes: [[2, 3, 8], [8]], run: (x, g) => ops.rmsNorm(x, t(g), 1e-5) },
  { name: 'gelu', shapes: [[2, 3, 4]], run: (x) => ops.gelu(x.mul(2)) },
  { name: 'geluErf', shapes: [[2, 3, 4]], run: (x) => ops.geluErf(x.mul(2)) },
  { name: 'silu', shapes: [[2, 3, 4]], run: (x) => ops.silu(x.mul(2)) },
  {
    name: 'swiglu',
    shapes: [
      [2, 5],
      [2, 5]
    ],
    run: (g, u) => ops.swiglu(g, u)
  },
  { name: 'splitHeads', shapes: [[2, 3, 8]], run: (x) => ops.splitHeads(t(x), 2) },
  { name: 'mergeHeads', shapes: [[2, 2, 3, 4]], run: (x) => ops.mergeHeads(t(x)) },
  ROTARY(2, 8, 4, 'interleaved'),
  ROTARY(2, 8, 8, 'interleaved'),
  ROTARY(3, 8, 4, 'half'),
  ROTARY(1, 6, 6, 'half'),
  ATTENTION(2, 2, 3, 0),
  scores(2, 2, 0, { scale: 0.3 }),
  scores(2, 1, 0, { window: 2 }),
  scores(2, 2, 3, { window: 3 }),
  scores(4, 2, 1, { softcap: 0.7, scale: 0.9, window: 3 }),
  ATTENTION(4, 2, 3, 0),
  ATTENTION(2, 2, 1, 4),
  ATTENTION(4, 1, 2, 3, [1, 1, 0, 1, 1, 0, 1, 1, 1, 1]),
  ATTENTION(2, 2, 3, 0, [1, 1, 0, 1, 1, 1]),
  // Each query of each row sees keys of its own, whatever its place.
  ATTENTION(4, 2, 2, 2, [1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1]),
  {
    name: 'crossEntropy',
    shapes: [[4, 7]],
    run: (x) => ops.crossEntropy(t(x), tf.tensor1d([0, 6, 3, 3], 'int32'))
  }
]

interface Evaluation {
  readonly shape: readonly number[]
  readonly value: Float32Array
  readonly gradients: readonly Float32Array[]
}

/** Value, and the gradient of Σ value·weights for fixed random weights, in every input. */
function evaluate({ run, shapes }: OpCase, inputs: readonly Float32Array[], weights: Float32Array): Evaluation {
  const tensors = inputs.map((values, i) => tf.tensor(values, [...shapes[i]!]))
  const value = run(...tensors)
  const gradients = tf.grads((...xs: tf.Tensor[]) => {
    const y = run(...xs)
    return y.mul(tf.tensor(weights, y.shape)).sum()
  })(tensors)
  return {
    shape: value.shape,
    value: value.dataSync<'float32'>(),
    gradients: gradients.map((g) => g.dataSync<'float32'>())
  }
}

/** Σ value·weights, summed in double precision: finite differences live on the last digits. */
function weighted({ run, shapes }: OpCase, inputs: readonly Float32Array[], weights: Float32Array): number {
  const y = run(...inputs.map((v, i) => tf.tensor(v, [...shapes[i]!]))).dataSync<'float32'>()
  return y.reduce((sum, v, i) => sum + v * weights[i]!, 0)
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
  expect(actual.length).toBe(expected.length)
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!) / (1 + Math.abs(expected[i]!)))
  }
  expect(worst).toBeLessThan(tolerance)
}

describe.each(CASES)('$name', (op) => {
  const inputs = op.shapes.map((shape) => normal(shape))
  let weights: Float32Array
  beforeAll(async () => {
    await useBackend('cpu')
    const size = tf.tidy(() => op.run(...inputs.map((v, i) => tf.tensor(v, [...op.shapes[i]!]))).size)
    weights = normal([size])
  })

  it('gives the same value and gradients on onnxruntime as on cpu', async () => {
    await useBackend('cpu')
    const expected = evaluate(op, inputs, weights)
    await useBackend('onnxruntime', { threads: 2 })
    const actual = evaluate(op, inputs, weights)
    expect(actual.shape).toEqual(expected.shape)
    expectClose(actual.value, expected.value, 2e-5)
    for (const [i, gradient] of expected.gradients.entries()) expectClose(actual.gradients[i]!, gradient, 1e-4)
  })

  it('has the gradient that finite differences show', async () => {
    await useBackend('onnxruntime', { threads: 2 })
    const { gradients } = evaluate(op, inputs, weights)
    const h = 1e-2
    for (const [i, values] of inputs.entries()) {
      for (const at of [0, values.length >> 1, values.length - 1]) {
        const moved = (by: number) =>
          weighted(
            op,
            inputs.map((v, k) => (k === i ? v.map((x, j) => (j === at ? x + by : x)) : v)),
            weights
          )
        // Fourth-order central difference.
        const slope = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
        expect(Math.abs(slope - gradients[i]![at]!)).toBeLessThan(2e-3 * (1 + Math.abs(slope)))
      }
    }
  })
})
