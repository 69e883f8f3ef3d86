import type { OrtBackend } from './onnxruntime/backend'
import { operand, program } from './onnxruntime/runtime'

/** [rows, inner, columns] as transformers of different sizes multiply. */
const SHAPES = [
  [512, 768, 768],
  [1024, 512, 2048],
  [2048, 192, 768]
] as const

/** Best rate of single-precision matrix products, in GFLOP/s, over several shapes and repeats; takes about `budgetMs`. */
export function sgemmRate(backend: OrtBackend, budgetMs = 300): number {
  const product = program('sgemm', (g) => g.op('MatMul', [g.input(), g.input()]))
  let best = 0
  for (const [m, k, n] of SHAPES) {
    const a = operand(new Float32Array(m * k).fill(0.5), [m, k])
    const b = operand(new Float32Array(k * n).fill(0.5), [k, n])
    const c = operand(new Float32Array(m * n), [m, n])
    const flops = 2 * m * k * n
    backend.runtime.run(product, [a, b], [c], flops)
    const start = performance.now()
    do {
      const before = performance.now()
      backend.runtime.run(product, [a, b], [c], flops)
      best = Math.max(best, flops / (performance.now() - before) / 1e6)
    } while (performance.now() - start < budgetMs / SHAPES.length)
  }
  return best
}
