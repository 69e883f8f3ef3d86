import * as tf from '@tensorflow/tfjs-core'
import type { EditPart } from '../../harness/edit'
import { valuesOf } from '../../harness/tensor'
import { Cholesky, dot } from '../../harness/tensor/linalg'

/*
 * Closed forms that the locate-then-edit methods share: the least change Δ of a linear map that gives keys k_i further values r_i,
 *
 *   min  tr(Δ·A₀·Δᵀ) + Σ ‖Δ·k_i − r_i‖²    =>    Δ = R·Kᵀ·(A₀ + K·Kᵀ)⁻¹
 *
 * where A₀ says what a change costs: λ·C for MEMIT, which keeps what the corpus has; L₂·I and the keys of earlier edits for AlphaEdit.
 */

/** What a change costs: a symmetric positive definite matrix `[n, n]`. */
export interface Cost {
  readonly n: number
  /** A₀⁻¹·b. */
  solve(b: ArrayLike<number>): Float64Array
  /** A₀ itself, row-major, in an array of its own. */
  matrix(): Float64Array
}

/** λ·C of a second moment. */
export const scaled = (
  C: { readonly n: number; readonly matrix: Float64Array; readonly factor: Cholesky },
  weight: number
): Cost => ({
  n: C.n,
  solve: (b) => C.factor.solve(b).map((x) => x / weight),
  matrix: () => C.matrix.map((x) => weight * x)
})

/** A change of a linear map: a sum of few products, or all of it. */
export type MapChange =
  | { readonly rank: number; readonly u: Float32Array; readonly v: Float32Array }
  | { readonly delta: Float32Array }

/**
 * The least change that gives the keys these further values, as far as it is worth its cost. Of few keys it is a product of as many vectors (Woodbury);
 * of many it is solved for as a whole, when that is smaller.
 * @param keys `[n]` each
 * @param values `[out]` each
 */
export function leastChange(cost: Cost, keys: readonly Float32Array[], values: readonly Float32Array[]): MapChange {
  const { n } = cost
  const out = values[0]!.length
  return keys.length * (n + out) <= n * out ? lowRank(cost, keys, values) : whole(cost, keys, values)
}

/** R·(B·(I + Kᵀ·B)⁻¹)ᵀ with B = A₀⁻¹·K. */
function lowRank(cost: Cost, keys: readonly Float32Array[], values: readonly Float32Array[]): MapChange {
  const solved = keys.map((k) => cost.solve(k)) // B, a key a row
  const count = keys.length
  const inner = new Float64Array(count * count)
  for (let i = 0; i < count; i++)
    for (let j = 0; j <= i; j++) inner[i * count + j] = dot(keys[i]!, solved[j]!) + (i === j ? 1 : 0)
  return product(values, adjusted(solved, new Cholesky(inner, count)))
}

/** Vectors that are each a mixture of the given ones, by the columns of an inverse. */
function adjusted(vectors: readonly Float64Array[], inverse: Cholesky): Float64Array[] {
  return vectors.map((_, i) => {
    const shares = inverse.solve(Float64Array.from(vectors, (_, j) => Number(i === j)))
    const mixed = new Float64Array(vectors[0]!.length)
    for (const [j, v] of vectors.entries())
      for (let k = 0; k < mixed.length; k++) mixed[k] = mixed[k]! + shares[j]! * v[k]!
    return mixed
  })
}

/** Σ u_i·v_iᵀ, vectors as columns. */
export function product(us: readonly ArrayLike<number>[], vs: readonly ArrayLike<number>[]): MapChange {
  const rank = us.length
  const columns = (vectors: readonly ArrayLike<number>[]) => {
    const height = vectors[0]!.length
    const all = new Float32Array(height * rank)
    for (const [c, vector] of vectors.entries()) for (let i = 0; i < height; i++) all[i * rank + c] = vector[i]!
    return all
  }
  return { rank, u: columns(us), v: columns(vs) }
}

/** R·Kᵀ·(A₀ + K·Kᵀ)⁻¹, row by row. */
function whole(cost: Cost, keys: readonly Float32Array[], values: readonly Float32Array[]): MapChange {
  const { n } = cost
  const out = values[0]!.length
  const matrix = cost.matrix()
  const gram = products(keys, keys)
  for (let i = 0; i < matrix.length; i++) matrix[i] = matrix[i]! + gram[i]!
  const factor = new Cholesky(matrix, n)
  const wanted = products(values, keys) // R·Kᵀ, [out, n]
  const delta = new Float32Array(out * n)
  for (let row = 0; row < out; row++) delta.set(factor.solve(wanted.subarray(row * n, (row + 1) * n)), row * n)
  return { delta }
}

/** Keys that one product of the engine takes together: its sums are in single precision. */
const TOGETHER = 512

/** Σ a_i·b_iᵀ, `[a, b]`: products by the engine, their sum in double precision. */
export function products(as: readonly Float32Array[], bs: readonly Float32Array[]): Float64Array {
  const [a, b] = [as[0]!.length, bs[0]!.length]
  const sum = new Float64Array(a * b)
  for (let start = 0; start < as.length; start += TOGETHER) {
    const rows = (vectors: readonly Float32Array[], width: number) => {
      const some = vectors.slice(start, start + TOGETHER)
      const all = new Float32Array(some.length * width)
      for (const [i, v] of some.entries()) all.set(v, i * width)
      return tf.tensor2d(all, [some.length, width])
    }
    const part = valuesOf(() => tf.matMul(rows(as, a), rows(bs, b), true, false))
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + part[i]!
  }
  return sum
}

/** A change as a part of an edit. */
export function partOf(site: string, change: MapChange, out: number, width: number): EditPart {
  return 'delta' in change
    ? { kind: 'dense', site, out, in: width, delta: change.delta }
    : { kind: 'low-rank', site, rank: change.rank, out, in: width, u: change.u, v: change.v }
}
