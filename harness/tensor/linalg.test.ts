import { randomStream } from '../random'
import { Cholesky, dot, meanVector, norm, symmetricEigen } from './linalg'

/** A·Aᵀ + I of a random A: symmetric and positive definite. */
function positiveDefinite(n: number): Float64Array {
  const random = randomStream(0, 'linalg test')
  const a = Array.from({ length: n }, () => Array.from({ length: n }, () => random.normal()))
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n]
    return dot(a[i]!, a[j]!) + (i === j ? 1 : 0)
  })
}

describe('Cholesky', () => {
  it('solves a system to double precision', () => {
    const n = 40
    const matrix = positiveDefinite(n)
    const x = Float64Array.from({ length: n }, (_, i) => Math.sin(i))
    const b = Float64Array.from({ length: n }, (_, i) => dot(matrix.subarray(i * n, (i + 1) * n), x))
    const solved = new Cholesky(matrix, n).solve(b)
    expect(norm(solved.map((value, i) => value - x[i]!)) / norm(x)).toBeLessThan(1e-12)
  })

  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 17])('solves %i equations, whatever the tiles leave over', (n) => {
    const matrix = positiveDefinite(n)
    // What lies above the diagonal is not read.
    const lower = matrix.map((value, at) => (at % n > Math.floor(at / n) ? Number.NaN : value))
    const x = Float64Array.from({ length: n }, (_, i) => Math.cos(i))
    const b = Float64Array.from({ length: n }, (_, i) => dot(matrix.subarray(i * n, (i + 1) * n), x))
    const solved = new Cholesky(lower, n).solve(b)
    expect(norm(solved.map((value, i) => value - x[i]!)) / norm(x)).toBeLessThan(1e-9)
  })

  it('says at which pivot a larger matrix is not positive definite', () => {
    const matrix = positiveDefinite(11)
    matrix[9 * 11 + 9] = -1
    expect(() => new Cholesky(matrix, 11)).toThrow(/pivot 9 of 11/)
  })

  it('refuses a matrix that is not positive definite, and says at which pivot', () => {
    expect(() => new Cholesky([1, 2, 2, 1], 2)).toThrow(/not positive definite: pivot 1 of 2 is -3/)
  })
})

test('the mean of vectors is taken dimension by dimension', () => {
  expect([...meanVector([Float32Array.of(1, 4), [3, 0]])]).toEqual([2, 2])
})

describe('a factor that is updated', () => {
  it('is the factor of the sum', () => {
    const n = 30
    const matrix = positiveDefinite(n)
    const vectors = [1, 2, 3].map((k) => Float64Array.from({ length: n }, (_, i) => Math.sin(k * i + k)))
    const sum = matrix.map((x, at) => {
      const [i, j] = [Math.floor(at / n), at % n]
      return vectors.reduce((s, v) => s + v[i]! * v[j]!, x)
    })
    const b = Float64Array.from({ length: n }, (_, i) => Math.cos(i))
    const before = new Cholesky(matrix, n)
    const [got, wanted] = [before.updated(vectors).solve(b), new Cholesky(sum, n).solve(b)]
    expect(norm(got.map((x, i) => x - wanted[i]!)) / norm(wanted)).toBeLessThan(1e-12)
    // The one before stays what it was.
    const same = new Cholesky(matrix, n).solve(b)
    expect(before.solve(b)).toEqual(same)
  })
})

describe('eigenvalues and eigenvectors', () => {
  const apply = (matrix: Float64Array, n: number, x: Float64Array) =>
    Float64Array.from({ length: n }, (_, i) => dot(matrix.subarray(i * n, (i + 1) * n), x))

  it.each([1, 2, 3, 10, 61])('of %i dimensions are what they say', (n) => {
    const matrix = positiveDefinite(n)
    // What lies above the diagonal is not read.
    const lower = matrix.map((value, at) => (at % n > Math.floor(at / n) ? Number.NaN : value))
    const { values, vectors } = symmetricEigen(lower, n)
    expect([...values]).toEqual([...values].sort((a, b) => a - b))
    for (let i = 0; i < n; i++) {
      const v = vectors.subarray(i * n, (i + 1) * n)
      expect(norm(v)).toBeCloseTo(1, 10)
      const image = apply(matrix, n, v)
      expect(norm(image.map((x, k) => x - values[i]! * v[k]!))).toBeLessThan(1e-9 * values.at(-1)!)
      if (i > 0) expect(Math.abs(dot(v, vectors.subarray(0, n)))).toBeLessThan(1e-10)
    }
  })

  it('that are alike, or zero, are found', () => {
    const n = 12
    const matrix = new Float64Array(n * n)
    for (let i = 0; i < n; i++) matrix[i * n + i] = i < 6 ? 0 : 2
    expect([...symmetricEigen(matrix, n).values]).toEqual([...Array(6).fill(0), ...Array(6).fill(2)])
    const one = new Float64Array(n * n).fill(1)
    const { values } = symmetricEigen(one, n)
    expect(values.at(-1)).toBeCloseTo(n, 10)
    expect(Math.abs(values[0]!)).toBeLessThan(1e-12)
  })
})
