/**
 * Counts the floating-point operations of matrix products (multiply + add = 2), the currency of the efficiency reports.
 * Only products count: elementwise work is bound by memory, not by arithmetic.
 */
let total = 0

/** Called by the ops that multiply matrices. */
export function addMatmulFlops(flops: number): void {
  total += flops
}

/** Matrix FLOPs since the start of the program or the last `resetMatmulFlops`. */
export function matmulFlops(): number {
  return total
}

export function resetMatmulFlops(): void {
  total = 0
}

/** Runs `work` and returns its result with the matrix FLOPs it spent. */
export function countMatmulFlops<T>(work: () => T): { result: T; flops: number } {
  const before = total
  const result = work()
  return { result, flops: total - before }
}
