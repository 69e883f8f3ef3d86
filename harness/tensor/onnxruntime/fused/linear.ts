import type * as tf from '@tensorflow/tfjs-core'
import { addMatmulFlops } from '../../flops'
import { defineFusedOp } from '../define'
import { program, sizeOf } from '../runtime'

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
