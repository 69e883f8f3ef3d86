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
    for (let i = 0; i < n; i++) {
      const rowI = i * n
      for (let j = 0; j <= i; j++) {
        const rowJ = j * n
        let sum = matrix[rowI + j]!
        for (let k = 0; k < j; k++) sum -= l[rowI + k]! * l[rowJ + k]!
        if (j < i) l[rowI + j] = sum / l[rowJ + j]!
        else if (sum > 0) l[rowI + i] = Math.sqrt(sum)
        else throw new RangeError(`not positive definite: pivot ${i} of ${n} is ${sum}`)
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
