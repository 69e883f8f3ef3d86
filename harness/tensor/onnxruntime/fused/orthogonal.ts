import type * as tf from '@tensorflow/tfjs-core'
import { addMatmulFlops } from '../../flops'
import { NEWTON_SCHULZ } from '../../reference'
import { defineFusedOp } from '../define'
import type { GraphBuilder, Value } from '../onnx'
import { program } from '../runtime'

const [A, B, C] = NEWTON_SCHULZ.coefficients

/**
 * All iterations as one graph of products, each with its sum inside: bG + cG², then aX + MX. For matrices that are much longer than wide the
 * iterations stay among the small square ones: every factor is a polynomial of the first G, so that they commute.
 */
const iterations = (tall: boolean, long: boolean) =>
  program(`orthogonal${tall ? ' tall' : ''}${long ? ' long' : ''}`, (g) => {
    const x = g.input()
    const gram = (y: Value) => g.op('Gemm', [y, y], tall ? { transA: { int: 1 } } : { transB: { int: 1 } })
    const polynomial = (of: Value) => g.op('Gemm', [of, of, of], { alpha: C, beta: B })
    /** (aI + m)·y, or y·(aI + m). */
    const times = (m: Value, y: Value) => g.op('Gemm', tall ? [y, m, y] : [m, y, y], { beta: A })
    if (!long) {
      let y = x
      for (let i = 0; i < NEWTON_SCHULZ.iterations; i++) y = times(polynomial(gram(y)), y)
      return y
    }
    let now = gram(x)
    const factors: Value[] = []
    for (let i = 0; i < NEWTON_SCHULZ.iterations; i++) {
      const m = polynomial(now)
      factors.push(m)
      if (i < NEWTON_SCHULZ.iterations - 1) now = times(m, times(m, now))
    }
    return productOf(g, factors, tall, x)
  })

/** (aI + m₅)…(aI + m₁)·x without an identity: the factors among each other first, as cI + q, and x last. */
function productOf(g: GraphBuilder, factors: readonly Value[], tall: boolean, x: Value): Value {
  let [q, c] = [factors[0]!, A]
  for (const m of factors.slice(1)) {
    // (aI + m)(cI + q) = acI + (aq + mq + cm)
    q = g.op('Add', [g.op('Gemm', [m, q, q], { beta: A }), g.op('Mul', [m, g.scalar(c)])])
    c *= A
  }
  return g.op('Gemm', tall ? [x, q, x] : [q, x, x], { beta: c })
}

export function defineOrthogonal() {
  const apply = defineFusedOp({
    name: 'FusedOrthogonal',
    forward({ inputs: { x }, backend }) {
      const [rows, columns] = x!.shape as [number, number]
      const side = Math.min(rows, columns)
      const flops = NEWTON_SCHULZ.iterations * 2 * side * side * (side + 2 * Math.max(rows, columns))
      addMatmulFlops(flops)
      const long = Math.max(rows, columns) >= 2 * side
      return [
        backend.tensor(
          backend.runtime.compute(iterations(rows > columns, long), [backend.operand(x!)], [rows, columns], flops),
          [rows, columns]
        )
      ]
    },
    backward: () => ({})
  })
  return (x: tf.Tensor2D): tf.Tensor2D => apply({ x }, {}) as tf.Tensor2D
}
