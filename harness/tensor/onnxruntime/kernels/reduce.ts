import * as tf from '@tensorflow/tfjs-core'
import { cpuKernel, defineKernel, type KernelCall } from '../define'
import { program, sizeOf } from '../runtime'

const SMALL = 4096

const REDUCTIONS: Readonly<Record<string, string>> = {
  [tf.Sum]: 'ReduceSum',
  [tf.Mean]: 'ReduceMean',
  [tf.Max]: 'ReduceMax',
  [tf.Min]: 'ReduceMin'
}

const softmax = program('Softmax', (g) => g.op('Softmax', [g.input()], { axis: { int: -1 } }))

export function defineReductions(): void {
  for (const [name, onnxName] of Object.entries(REDUCTIONS)) {
    const fallback = cpuKernel(name)
    defineKernel(name, (call) => {
      const x = call.inputs.x!
      const n = sizeOf(x.shape)
      if (x.dtype !== 'float32' || n < SMALL) return fallback(call)
      const { backend } = call
      // Max alone calls it reductionIndices.
      const axis = call.attrs.axis ?? call.attrs.reductionIndices ?? null
      const axes = tf.util.parseAxisParam(axis as number | number[], x.shape)
      const what = program(`${name} ${axes.join()}`, (g) =>
        g.op(onnxName, [g.input(), g.ints(...axes)], { keepdims: { int: 0 } })
      )
      const kept = x.shape.filter((_, i) => !axes.includes(i))
      const values = backend.runtime.compute(what, [backend.operand(x)], kept, n)
      return backend.tensor(
        values,
        call.attrs.keepDims === true ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) : kept
      )
    })
  }
  const softmaxFallback = cpuKernel(tf.Softmax)
  defineKernel(tf.Softmax, (call) => {
    const x = call.inputs.logits!
    const axis = call.attrs.dim as number
    if (x.dtype !== 'float32' || (axis !== -1 && axis !== x.shape.length - 1)) return softmaxFallback(call)
    const { backend } = call
    return backend.tensor(backend.runtime.compute(softmax, [backend.operand(x)], x.shape, sizeOf(x.shape) * 8), x.shape)
  })
  const argMaxFallback = cpuKernel(tf.ArgMax)
  defineKernel(tf.ArgMax, (call) => argMax(call) ?? argMaxFallback(call))
}

/** The first largest value's index along the last axis; other axes are left to the fallback. */
function argMax({ inputs, attrs, backend }: KernelCall): tf.TensorInfo | undefined {
  const x = inputs.x!
  const [axis] = tf.util.parseAxisParam(attrs.axis as number, x.shape)
  if (x.dtype !== 'float32' || axis !== x.shape.length - 1) return undefined
  const values = backend.floats(x)
  const width = x.shape[axis]!
  const dims = x.shape.slice(0, -1)
  const out = new Int32Array(sizeOf(dims))
  for (let row = 0; row < out.length; row++) {
    const start = row * width
    let best = 0
    for (let j = 1; j < width; j++) if (values[start + j]! > values[start + best]!) best = j
    out[row] = best
  }
  return backend.tensor(out, dims)
}
