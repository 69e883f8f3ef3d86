import type { Edit } from '../edit/types'
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

/** Rows that can share batches: a dense edit changes the weight of its whole batch, so its rows go alone. Returns indexes into `edits`. */
export function groupsByDenseEdit(edits: readonly (Edit | undefined)[]): number[][] {
  const shared: number[] = []
  const alone = new Map<Edit, number[]>()
  for (const [i, edit] of edits.entries()) {
    if (edit === undefined || !edit.parts.some((p) => p.kind === 'dense')) shared.push(i)
    else if (alone.has(edit)) alone.get(edit)!.push(i)
    else alone.set(edit, [i])
  }
  return [...(shared.length > 0 ? [shared] : []), ...alone.values()]
}

/** The edits of a batch's rows as `forward` wants them. */
export function rowEditsOf(edits: readonly (Edit | undefined)[]): { edits: Edit[]; rowEdit: Int32Array } {
  const distinct = [...new Set(edits.filter((e) => e !== undefined))]
  const place = new Map(distinct.map((e, i) => [e, i]))
  return { edits: distinct, rowEdit: Int32Array.from(edits, (e) => (e === undefined ? -1 : place.get(e)!)) }
}
