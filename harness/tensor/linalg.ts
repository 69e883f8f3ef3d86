/**
 * A symmetric positive definite matrix, factored once as L·Lᵀ in double precision (Cholesky–Banachiewicz), so that every
 * further system costs 2n² operations.
 */
export class Cholesky {
  readonly n: number
  /** Row-major lower triangle in full storage, `[n, n]`. */
  readonly #factor: Float64Array

  /**
   * @param matrix row-major, `[n, n]`; only its lower triangle is read
   * @throws RangeError when the matrix is not positive definite
   */
  constructor(matrix: ArrayLike<number>, n: number) {
    this.n = n
    const l = new Float64Array(n * n)
    for (let i0 = 0; i0 < n; i0 += TILE) {
      const rows = Math.min(TILE, n - i0)
      for (let j0 = 0; j0 <= i0; j0 += TILE) {
        for (let i = i0; i < i0 + rows; i++)
          for (let j = j0; j < Math.min(j0 + TILE, i + 1); j++) l[i * n + j] = matrix[i * n + j]!
        // The last rows may be fewer than a tile, and columns only at its diagonal, where nothing but its own columns is left.
        const done = rows === TILE ? j0 : 0
        if (done > 0) subtractTile(l, n, i0, j0)
        finishTile(l, n, i0, rows, j0, done)
      }
    }
    this.#factor = l
  }

  /** x of A·x = b. */
  solve(b: ArrayLike<number>): Float64Array {
    const { n } = this
    const l = this.#factor
    const x = Float64Array.from(b)
    for (let i = 0; i < n; i++) {
      let sum = x[i]!
      for (let k = 0; k < i; k++) sum -= l[i * n + k]! * x[k]!
      x[i] = sum / l[i * n + i]!
    }
    for (let i = n - 1; i >= 0; i--) {
      const xi = x[i]! / l[i * n + i]!
      x[i] = xi
      // Column i of Lᵀ is row i of L: contiguous.
      for (let k = 0; k < i; k++) x[k] = x[k]! - l[i * n + k]! * xi
    }
    return x
  }
}

/** Rows and columns whose sums are kept in registers together: eight values are loaded for sixteen products. */
const TILE = 4

/** `l[i, j] -= Σ_{k < j0} l[i, k]·l[j, k]` for a tile of rows from `i0` and columns from `j0`, each sum in the order of k. */
function subtractTile(l: Float64Array, n: number, i0: number, j0: number): void {
  const [a, b, c, d] = [i0 * n, (i0 + 1) * n, (i0 + 2) * n, (i0 + 3) * n]
  const [e, f, g, h] = [j0 * n, (j0 + 1) * n, (j0 + 2) * n, (j0 + 3) * n]
  let [ae, af, ag, ah] = [l[a + j0]!, l[a + j0 + 1]!, l[a + j0 + 2]!, l[a + j0 + 3]!]
  let [be, bf, bg, bh] = [l[b + j0]!, l[b + j0 + 1]!, l[b + j0 + 2]!, l[b + j0 + 3]!]
  let [ce, cf, cg, ch] = [l[c + j0]!, l[c + j0 + 1]!, l[c + j0 + 2]!, l[c + j0 + 3]!]
  let [de, df, dg, dh] = [l[d + j0]!, l[d + j0 + 1]!, l[d + j0 + 2]!, l[d + j0 + 3]!]
  for (let k = 0; k < j0; k++) {
    const le = l[e + k]!
    const lf = l[f + k]!
    const lg = l[g + k]!
    const lh = l[h + k]!
    const la = l[a + k]!
    ae -= la * le
    af -= la * lf
    ag -= la * lg
    ah -= la * lh
    const lb = l[b + k]!
    be -= lb * le
    bf -= lb * lf
    bg -= lb * lg
    bh -= lb * lh
    const lc = l[c + k]!
    ce -= lc * le
    cf -= lc * lf
    cg -= lc * lg
    ch -= lc * lh
    const ld = l[d + k]!
    de -= ld * le
    df -= ld * lf
    dg -= ld * lg
    dh -= ld * lh
  }
  l.set([ae, af, ag, ah], a + j0)
  l.set([be, bf, bg, bh], b + j0)
  l.set([ce, cf, cg, ch], c + j0)
  l.set([de, df, dg, dh], d + j0)
}

/** What is left of a tile's sums, from `k = done` on, and the division by the pivots. Above the diagonal it leaves zeros. */
function finishTile(l: Float64Array, n: number, i0: number, rows: number, j0: number, done: number): void {
  for (let i = i0; i < i0 + rows; i++) {
    for (let j = j0; j < j0 + TILE && j < n; j++) {
      if (j > i) {
        l[i * n + j] = 0
        continue
      }
      let sum = l[i * n + j]!
      for (let k = done; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!
      if (j < i) l[i * n + j] = sum / l[j * n + j]!
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum)
      else throw new RangeError(`not positive definite: pivot ${i} of ${n} is ${sum}`)
    }
  }
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

export function norm(a: ArrayLike<number>): number {
  return Math.sqrt(dot(a, a))
}

/** Mean of vectors of equal length. */
export function meanVector(vectors: readonly ArrayLike<number>[]): Float64Array {
  const mean = new Float64Array(vectors[0]!.length)
  for (const v of vectors) for (let i = 0; i < mean.length; i++) mean[i] = mean[i]! + v[i]! / vectors.length
  return mean
}
