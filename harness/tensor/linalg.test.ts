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

  it('refuses a matrix that is not positive definite, and says at which pivot', () => {
    expect(() => new Cholesky([1, 2, 2, 1], 2)).toThrow(/not positive definite: pivot 1 of 2 is -3/)
  })
})

test('the mean of vectors is taken dimension by dimension', () => {
  expect([...meanVector([Float32Array.of(1, 4), [3, 0]])]).toEqual([2, 2])
})
