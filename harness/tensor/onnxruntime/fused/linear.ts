import type * as tf from '@tensorflow/tfjs'
import { addMatmulFlops } from '../../flops'
import { defineFusedOp } from '../define'
import { operand, program, sizeOf } from '../runtime'

const forward = program('linear', (g) => g.op('Gemm', [g.input(), g.input()], { transB: { int: 1 } }))
const forwardBias = program('linear+bias', (g) =>
  g.op('Gemm', [g.input(), g.input(), g.input()], { transB: { int: 1 } })
)
const gradX = program('linear dX', (g) => g.op('Gemm', [g.input(), g.input()]))
const gradWeight = program('linear dW', (g) => g.op('Gemm', [g.input(), g.input()], { transA: { int: 1 } }))
export const columnSums = program('column sums', (g) =>
  g.op('ReduceSum', [g.input(), g.ints(0)], { keepdims: { int: 0 } })
)

export function defineLinear() {
  const apply = defineFusedOp({
    name: 'FusedLinear',
    saveInputs: ['x', 'weight'],
    forward({ inputs, backend }) {
      const { x, weight, bias } = inputs as { x: tf.TensorInfo; weight: tf.TensorInfo; bias?: tf.TensorInfo }
      const [out, width] = weight.shape as [number, number]
      const rows = sizeOf(x.shape) / width
      const operands = [backend.operand(x, [rows, width]), backend.operand(weight)]
      if (bias !== undefined) operands.push(backend.operand(bias))
      const flops = 2 * rows * width * out
      addMatmulFlops(flops)
      const y = backend.runtime.compute(bias === undefined ? forward : forwardBias, operands, [rows, out], flops)
      return [backend.tensor(y, [...x.shape.slice(0, -1), out])]
    },
    backward({ dy, saved: [x, weight], backend }) {
      const [out, width] = weight!.shape as [number, number]
      const rows = sizeOf(x!.shape) / width
      const flops = 2 * rows * width * out
      const dOut = () => backend.operand(dy, [rows, out])
      const product = (what: typeof gradX, a: ReturnType<typeof dOut>, b: ReturnType<typeof dOut>, dims: number[]) => {
        addMatmulFlops(flops)
        return backend.runtime.compute(what, [a, b], dims, flops)
      }
      return {
        x: () => product(gradX, dOut(), backend.operand(weight!), [rows, width]),
        weight: () => product(gradWeight, dOut(), backend.operand(x!, [rows, width]), [out, width]),
        bias: () => backend.runtime.compute(columnSums, [dOut()], [out], rows * out)
      }
    }
  })
  return (x: tf.Tensor, weight: tf.Tensor2D, bias?: tf.Tensor1D): tf.Tensor =>
    apply(bias === undefined ? { x, weight } : { x, weight, bias }, {})
}

/** A matrix product per batch row; the key tells apart which factors are transposed. */
const batched = {
  plain: program('bmm', (g) => g.op('MatMul', [g.input(), g.input()])),
  transB: program('bmm tb', (g) =>
    g.op('FusedMatMul', [g.input(), g.input()], { transB: { int: 1 } }, 'com.microsoft')
  ),
  transA: program('bmm ta', (g) => g.op('FusedMatMul', [g.input(), g.input()], { transA: { int: 1 } }, 'com.microsoft'))
}

export function defineLowRank() {
  const apply = defineFusedOp({
    name: 'FusedLowRank',
    saveInputs: ['x', 'v', 'u'],
    forward({ inputs, backend }) {
      const { batch, seq, width, rank, out } = lowRankSizes(inputs.x!, inputs.v!, inputs.u!)
      const flops = 2 * batch * seq * rank * (width + out)
      addMatmulFlops(flops)
      const { runtime } = backend
      const inner = runtime.compute(
        batched.plain,
        [backend.operand(inputs.x!), backend.operand(inputs.v!)],
        [batch, seq, rank],
        flops
      )
      const y = runtime.compute(
        batched.transB,
        [operand(inner, [batch, seq, rank]), backend.operand(inputs.u!)],
        [batch, seq, out],
        flops
      )
      runtime.pool.release(inner)
      return [backend.tensor(y, [batch, seq, out])]
    },
    backward({ dy, saved: [x, v, u], backend }) {
      const { runtime } = backend
      const { batch, seq, width, rank, out } = lowRankSizes(x!, v!, u!)
      const flops = 2 * batch * seq * rank * (width + out)
      const inner = [batch, seq, rank]
      /** dY·u, the gradient at the bottleneck. */
      const atBottleneck = () =>
        runtime.compute(batched.plain, [backend.operand(dy), backend.operand(u!)], inner, flops)
      const after = (bottleneck: Float32Array, use: () => Float32Array) => {
        addMatmulFlops(flops)
        const result = use()
        runtime.pool.release(bottleneck)
        return result
      }
      return {
        x: () => {
          const h = atBottleneck()
          return after(h, () =>
            runtime.compute(batched.transB, [operand(h, inner), backend.operand(v!)], [batch, seq, width], flops)
          )
        },
        v: () => {
          const h = atBottleneck()
          return after(h, () =>
            runtime.compute(batched.transA, [backend.operand(x!), operand(h, inner)], [batch, width, rank], flops)
          )
        },
        u: () => {
          const h = runtime.compute(batched.plain, [backend.operand(x!), backend.operand(v!)], inner, flops)
          return after(h, () =>
            runtime.compute(batched.transA, [backend.operand(dy), operand(h, inner)], [batch, out, rank], flops)
          )
        }
      }
    }
  })
  return (x: tf.Tensor3D, v: tf.Tensor3D, u: tf.Tensor3D): tf.Tensor3D => apply({ x, v, u }, {}) as tf.Tensor3D
}

function lowRankSizes(x: tf.TensorInfo, v: tf.TensorInfo, u: tf.TensorInfo) {
  const [batch, seq, width] = x.shape as [number, number, number]
  return { batch, seq, width, rank: v.shape[2]!, out: u.shape[1]! }
}
