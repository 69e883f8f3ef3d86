import type * as tf from '@tensorflow/tfjs-core'
import { defineFusedOp, type KernelCall, type Training } from '../define'
import { operand, type Program, program, sizeOf } from '../runtime'
import { columnSums } from './linear'

/*
 * Normalisation over the last axis. Forward is ONNX Runtime's own kernel, which also hands out each row's mean and 1/σ.
 * Backward is one loop over rows that stay in the first-level cache: as a graph of elementwise nodes it would cross memory ten times.
 */

/** Elementary operations per element, about. */
const WORK = 8

const layerForward = (eps: number) =>
  program(`layerNorm ${eps}`, (g) =>
    g.multi('LayerNormalization', [g.input(), g.input(), g.input()], 3, { axis: { int: -1 }, epsilon: eps })
  )
const rmsForward = (eps: number) =>
  program(`rmsNorm ${eps}`, (g) =>
    g.multi('SimplifiedLayerNormalization', [g.input(), g.input()], 2, { axis: { int: -1 }, epsilon: eps })
  )

export function defineLayerNorm() {
  const apply = defineFusedOp<{ eps: number }>({
    name: 'FusedLayerNorm',
    saveInputs: ['x', 'gain'],
    saveOutputs: [false, true, true],
    forward: (call) => normalise(call, layerForward(call.attrs.eps), ['gain', 'bias'], 2),
    backward({ dy, saved: [x, gain, mean, inverseStd], backend }) {
      const rows = new Rows(backend.floats(x!), backend.floats(dy), backend.floats(inverseStd!), backend.floats(mean!))
      const width = gain!.shape[0]!
      return {
        x: () => rows.inputGradient(backend.floats(gain!), backend.runtime.pool.allocate(rows.x.length)),
        gain: () => rows.gainGradient(width),
        bias: () =>
          backend.runtime.compute(columnSums, [backend.operand(dy, [rows.count, width])], [width], rows.x.length)
      }
    }
  })
  return (x: tf.Tensor, gain: tf.Tensor1D, bias: tf.Tensor1D, eps: number): tf.Tensor =>
    apply({ x, gain, bias }, { eps })
}

export function defineRmsNorm() {
  const apply = defineFusedOp<{ eps: number }>({
    name: 'FusedRmsNorm',
    saveInputs: ['x', 'gain'],
    saveOutputs: [false, true],
    forward: (call) => normalise(call, rmsForward(call.attrs.eps), ['gain'], 1),
    backward({ dy, saved: [x, gain, inverseStd], backend }) {
      const rows = new Rows(backend.floats(x!), backend.floats(dy), backend.floats(inverseStd!))
      return {
        x: () => rows.inputGradient(backend.floats(gain!), backend.runtime.pool.allocate(rows.x.length)),
        gain: () => rows.gainGradient(gain!.shape[0]!)
      }
    }
  })
  return (x: tf.Tensor, gain: tf.Tensor1D, eps: number): tf.Tensor => apply({ x, gain }, { eps })
}

/** The value, and when a gradient may follow the rows' statistics (`statistics` columns of `[rows, 1]`). */
function normalise(
  { inputs, attrs, backend }: KernelCall<{ eps: number } & Training>,
  what: Program,
  parameters: readonly string[],
  statistics: number
): tf.TensorInfo[] {
  const x = inputs.x!
  const width = x.shape[x.shape.length - 1]!
  const count = sizeOf(x.shape) / width
  const y = backend.runtime.pool.allocate(count * width)
  const columns = Array.from({ length: statistics }, () => backend.runtime.pool.allocate(count))
  backend.runtime.run(
    what,
    [backend.operand(x, [count, width]), ...parameters.map((name) => backend.operand(inputs[name]!))],
    [operand(y, [count, width]), ...columns.map((c) => operand(c, [count, 1]))],
    count * width * WORK
  )
  const value = backend.tensor(y, x.shape)
  if (attrs.training) return [value, ...columns.map((c) => backend.tensor(c, [count]))]
  for (const c of columns) backend.runtime.pool.release(c)
  return [value]
}

/** Rows of a normalised input: x̂ = (x - mean)/σ, with mean 0 for the root-mean-square kind. */
class Rows {
  readonly count: number

  constructor(
    readonly x: Float32Array,
    readonly dy: Float32Array,
    readonly inverseStd: Float32Array,
    readonly mean?: Float32Array
  ) {
    this.count = inverseStd.length
  }

  /** dx = (g·dy - mean(g·dy) - x̂·mean(g·dy·x̂))/σ, without the middle term when the mean is not removed. */
  inputGradient(gain: Float32Array, dx: Float32Array): Float32Array {
    const { x, dy, count } = this
    const width = gain.length
    for (let row = 0, start = 0; row < count; row++, start += width) {
      const inverseStd = this.inverseStd[row]!
      const mean = this.mean === undefined ? 0 : this.mean[row]!
      let sum = 0
      let projection = 0
      for (let j = 0; j < width; j++) {
        const scaled = gain[j]! * dy[start + j]!
        sum += scaled
        projection += scaled * (x[start + j]! - mean)
      }
      const shift = this.mean === undefined ? 0 : sum / width
      const tilt = (projection * inverseStd * inverseStd) / width
      for (let j = 0; j < width; j++) {
        dx[start + j] = (gain[j]! * dy[start + j]! - shift - (x[start + j]! - mean) * tilt) * inverseStd
      }
    }
    return dx
  }

  /** Σ dy·x̂ over the rows. */
  gainGradient(width: number): Float32Array {
    const total = new Float64Array(width)
    for (let row = 0, start = 0; row < this.count; row++, start += width) {
      const inverseStd = this.inverseStd[row]!
      const mean = this.mean === undefined ? 0 : this.mean[row]!
      for (let j = 0; j < width; j++) {
        total[j] = total[j]! + this.dy[start + j]! * (this.x[start + j]! - mean) * inverseStd
      }
    }
    return Float32Array.from(total)
  }
}
