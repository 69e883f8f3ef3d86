import type { TokenBatch } from './types'

/** Rows of token ids as one batch, padded on the right to the longest. */
export function padBatch(rows: readonly (readonly number[])[]): TokenBatch {
  const seq = Math.max(1, ...rows.map((r) => r.length))
  const ids = new Int32Array(rows.length * seq)
  for (const [i, row] of rows.entries()) ids.set(row, i * seq)
  return { ids, batch: rows.length, seq, lengths: rows.map((r) => r.length) }
}

/** Padded tokens a batch may have by default: large enough for the matrix products, small enough for the caches. */
export const TOKEN_BUDGET = 1024

/**
 * Cuts items into batches of similar length: sorted by length (ties keep their order), as many as fit `budget` padded tokens.
 * Returns indexes into `lengths`; every batch has at least one.
 */
export function batchesByLength(lengths: readonly number[], budget: number = TOKEN_BUDGET): number[][] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b)
  const batches: number[][] = []
  let batch: number[] = []
  for (const i of order) {
    if (batch.length > 0 && (batch.length + 1) * lengths[i]! > budget) {
      batches.push(batch)
      batch = []
    }
    batch.push(i)
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
