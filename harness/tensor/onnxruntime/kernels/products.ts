import type * as tf from '@tensorflow/tfjs-core'
import { addMatmulFlops } from '../../flops'
import type { OrtBackend } from '../backend'
import { cpuKernel, defineKernel } from '../define'
import { MICROSOFT } from '../onnx'
import { type Program, program, sizeOf } from '../runtime'

/** `a·b` over the last two axes, either factor transposed, batch axes broadcast. */
function product(transposeA: boolean, transposeB: boolean): Program {
  return program(`matMul${transposeA ? ' ta' : ''}${transposeB ? ' tb' : ''}`, (g) =>
    g.op(
      'FusedMatMul',
      [g.input(), g.input()],
      { transA: { int: transposeA ? 1 : 0 }, transB: { int: transposeB ? 1 : 0 } },
      MICROSOFT
    )
  )
}

function matMul(
  backend: OrtBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposeA: boolean,
  transposeB: boolean
): tf.TensorInfo {
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number]
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number]
  const [m, inner] = transposeA ? [aColumns, aRows] : [aRows, aColumns]
  const [innerB, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns]
  if (inner !== innerB) {
    throw new Error(`matMul: inner sizes ${inner} and ${innerB} of [${a.shape}] and [${b.shape}] do not match`)
  }
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2))
  const dims = [...batch, m, n]
  const flops = 2 * sizeOf(dims) * inner
  addMatmulFlops(flops)
  if (inner === 0) return backend.tensor(new Float32Array(sizeOf(dims)), dims)
  const what = product(transposeA, transposeB)
  return backend.tensor(backend.runtime.compute(what, [backend.operand(a), backend.operand(b)], dims, flops), dims)
}

export function broadcastShapes(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) throw new Error(`shapes [${a}] and [${b}] cannot be broadcast`)
    return x === 1 ? y : x
  })
}

export function defineProducts(): void {
  const fallback = { BatchMatMul: cpuKernel('BatchMatMul'), _FusedMatMul: cpuKernel('_FusedMatMul') }
  defineKernel('BatchMatMul', (call) => {
    const { a, b } = call.inputs
    if (a!.dtype !== 'float32' || b!.dtype !== 'float32') return fallback.BatchMatMul(call)
    return matMul(call.backend, a!, b!, call.attrs.transposeA === true, call.attrs.transposeB === true)
  })
  // TensorFlow.js's own fused product: bias and activation are left to the kernels that exist for them.
  defineKernel('_FusedMatMul', (call) => {
    const { a, b } = call.inputs
    const plain = call.inputs.bias === undefined && (call.attrs.activation ?? 'linear') === 'linear'
    if (!plain || a!.dtype !== 'float32' || b!.dtype !== 'float32') return fallback._FusedMatMul(call)
    return matMul(call.backend, a!, b!, call.attrs.transposeA === true, call.attrs.transposeB === true)
  })
}
