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
   * @param factored the matrix is the factor itself, and is kept
   * @throws RangeError when the matrix is not positive definite
   */
  constructor(matrix: ArrayLike<number>, n: number, factored?: true) {
    this.n = n
    if (factored) {
      this.#factor = matrix as Float64Array
      return
    }
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

  /** The factor of A + Σ v·vᵀ: n² operations a vector instead of n³ anew. */
  updated(vectors: readonly ArrayLike<number>[]): Cholesky {
    const { n } = this
    const factor = this.#factor.slice()
    for (const vector of vectors) {
      const x = Float64Array.from(vector)
      for (let k = 0; k < n; k++) {
        const diagonal = factor[k * n + k]!
        const r = Math.hypot(diagonal, x[k]!)
        const [c, s] = [r / diagonal, x[k]! / diagonal]
        if (s === 0) continue
        factor[k * n + k] = r
        for (let i = k + 1; i < n; i++) {
          const l = (factor[i * n + k]! + s * x[i]!) / c
          factor[i * n + k] = l
          x[i] = c * x[i]! - s * l
        }
      }
    }
    return new Cholesky(factor, n, true)
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

/** Eigenvalues in ascending order, and their eigenvectors as rows. */
export interface Eigen {
  readonly values: Float64Array
  /** Row i belongs to value i: `[n, n]`, row-major, orthonormal. */
  readonly vectors: Float64Array
}

/**
 * All eigenvalues and eigenvectors of a symmetric matrix, in double precision: Householder's tridiagonal form, then implicit QL (EISPACK's tred2 and
 * tql2). Rotations act on rows, which are contiguous.
 * @param matrix row-major, `[n, n]`; only its lower triangle is read
 * @throws RangeError when an eigenvalue is not found in 50 rotations
 */
export function symmetricEigen(matrix: ArrayLike<number>, n: number): Eigen {
  const a = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = matrix[i * n + j]!
  const { diagonal, off, reflectors } = tridiagonal(a, n)
  // Row i is the i-th column of the product of the reflections: the vectors of the tridiagonal form turn into those of the matrix.
  const vectors = backTransform(reflectors, n)
  implicitQl(diagonal, off, vectors, n)
  return sortedEigen(diagonal, vectors, n)
}

interface Reflector {
  /** First index it acts on. */
  readonly from: number
  /** v of I − v·vᵀ·scale, on the indexes from there. */
  readonly v: Float64Array
  readonly scale: number
}

/** A = Q·T·Qᵀ with T tridiagonal; `a` is overwritten. */
function tridiagonal(a: Float64Array, n: number) {
  const off = new Float64Array(n)
  const reflectors: Reflector[] = []
  for (let k = 0; k < n - 2; k++) {
    const from = k + 1
    const size = n - from
    // Column k below the diagonal, which is row k right of it.
    const v = a.slice(k * n + from, k * n + n)
    const length = norm(v)
    const alpha = v[0]! > 0 ? -length : length
    off[k] = alpha
    if (length === 0) continue
    v[0] = v[0]! - alpha
    const scale = 2 / dot(v, v)
    // A := A − v·wᵀ − w·vᵀ with p = scale·A·v, w = p − (scale/2)·(pᵀv)·v.
    const w = new Float64Array(size)
    for (let i = 0; i < size; i++) {
      const row = (from + i) * n + from
      let sum = 0
      for (let j = 0; j < size; j++) sum += a[row + j]! * v[j]!
      w[i] = scale * sum
    }
    const half = (scale / 2) * dot(w, v)
    for (let i = 0; i < size; i++) w[i] = w[i]! - half * v[i]!
    for (let i = 0; i < size; i++) {
      const row = (from + i) * n + from
      const [vi, wi] = [v[i]!, w[i]!]
      for (let j = 0; j < size; j++) a[row + j] = a[row + j]! - vi * w[j]! - wi * v[j]!
    }
    reflectors.push({ from, v, scale })
  }
  if (n > 1) off[n - 2] = a[(n - 1) * n + n - 2]!
  const diagonal = Float64Array.from({ length: n }, (_, i) => a[i * n + i]!)
  return { diagonal, off, reflectors }
}

/** Qᵀ, the transposed product of the reflections: rows of the identity, each reflected in turn. */
function backTransform(reflectors: readonly Reflector[], n: number): Float64Array {
  const q = new Float64Array(n * n)
  for (let i = 0; i < n; i++) q[i * n + i] = 1
  for (const { from, v, scale } of [...reflectors].reverse()) {
    const size = n - from
    // Q := H·Q, kept transposed: every row of Qᵀ is reflected.
    for (let i = from; i < n; i++) {
      const row = i * n + from
      let sum = 0
      for (let j = 0; j < size; j++) sum += q[row + j]! * v[j]!
      sum *= scale
      if (sum !== 0) for (let j = 0; j < size; j++) q[row + j] = q[row + j]! - sum * v[j]!
    }
  }
  return q
}

/** Turns the off-diagonal into zeros, and the rows of `z` with it. */
function implicitQl(d: Float64Array, e: Float64Array, z: Float64Array, n: number): void {
  for (let l = 0; l < n; l++) {
    for (let tries = 0; ; tries++) {
      let m = l
      for (; m < n - 1; m++) if (Math.abs(e[m]!) <= Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) break
      if (m === l) break
      if (tries === 50) throw new RangeError(`eigenvalue ${l} of ${n} is not found`)
      let g = (d[l + 1]! - d[l]!) / (2 * e[l]!)
      let r = Math.hypot(g, 1)
      g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -r : r))
      let [s, c, p] = [1, 1, 0]
      let i = m - 1
      for (; i >= l; i--) {
        const f = s * e[i]!
        const b = c * e[i]!
        r = Math.hypot(f, g)
        e[i + 1] = r
        if (r === 0) {
          d[i + 1] = d[i + 1]! - p
          e[m] = 0
          break
        }
        s = f / r
        c = g / r
        g = d[i + 1]! - p
        r = (d[i]! - g) * s + 2 * c * b
        p = s * r
        d[i + 1] = g + p
        g = c * r - b
        rotateRows(z, n, i, c, s)
      }
      if (r === 0 && i >= l) continue
      d[l] = d[l]! - p
      e[l] = g
      e[m] = 0
    }
  }
}

/** Rows i and i + 1 turned into each other. */
function rotateRows(z: Float64Array, n: number, i: number, c: number, s: number): void {
  const [a, b] = [i * n, (i + 1) * n]
  for (let k = 0; k < n; k++) {
    const f = z[b + k]!
    const g = z[a + k]!
    z[b + k] = s * g + c * f
    z[a + k] = c * g - s * f
  }
}

function sortedEigen(values: Float64Array, vectors: Float64Array, n: number): Eigen {
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!)
  const sorted = new Float64Array(n * n)
  for (const [to, from] of order.entries()) sorted.set(vectors.subarray(from * n, (from + 1) * n), to * n)
  return { values: Float64Array.from(order, (i) => values[i]!), vectors: sorted }
}
