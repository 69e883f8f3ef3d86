import { randomStream } from '../random'
import { Cholesky, dot, meanVector, norm } from './linalg'

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
