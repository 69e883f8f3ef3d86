import { randomStream } from '../../harness/random'
import { useBackend } from '../../harness/tensor'
import { Cholesky, dot, norm } from '../../harness/tensor/linalg'
import { leastChange, type MapChange, products, scaled } from './closed-form'

beforeAll(() => useBackend('onnxruntime', { threads: 1 }))

const [N, OUT] = [24, 9]
const random = randomStream(0, 'closed form test')
const vectors = (count: number, size: number) =>
  Array.from({ length: count }, () => Float32Array.from({ length: size }, () => random.normal()))

function moment() {
  const keys = vectors(60, N)
  const matrix = products(keys, keys).map((x) => x / 60)
  return { n: N, matrix, factor: new Cholesky(matrix, N) }
}

const dense = (change: MapChange): Float64Array => {
  if ('delta' in change) return Float64Array.from(change.delta)
  const { rank, u, v } = change
  return Float64Array.from({ length: OUT * N }, (_, at) => {
    const [i, j] = [Math.floor(at / N), at % N]
    return dot(u.subarray(i * rank, (i + 1) * rank), v.subarray(j * rank, (j + 1) * rank))
  })
}

it.each([1, 3, 6])('%i facts as a product are R·Kᵀ·(λC + KKᵀ)⁻¹', (count) => {
  const second = moment()
  const [keys, values] = [vectors(count, N), vectors(count, OUT)]
  const change = leastChange(scaled(second, 2), keys, values)
  expect('delta' in change).toBe(false)
  const delta = dense(change)
  // Δ·(λC + KKᵀ) = R·Kᵀ.
  const cost = second.matrix.map((x) => 2 * x)
  const gram = products(keys, keys)
  const wanted = products(values, keys)
  for (let i = 0; i < OUT; i++)
    for (let j = 0; j < N; j++) {
      let sum = 0
      for (let k = 0; k < N; k++) sum += delta[i * N + k]! * (cost[k * N + j]! + gram[k * N + j]!)
      expect(sum).toBeCloseTo(wanted[i * N + j]!, 3)
    }
})

it('many facts as a whole are what they are as a product', () => {
  const second = moment()
  const [keys, values] = [vectors(7, N), vectors(7, OUT)]
  const whole = leastChange(scaled(second, 0.5), keys, values)
  expect('delta' in whole).toBe(true)
  // The same facts, counted so that they are few: values of more dimensions.
  const longer = values.map((v) => Float32Array.from({ length: 40 }, (_, i) => v[i] ?? 0))
  const product = leastChange(scaled(second, 0.5), keys, longer)
  if ('delta' in product) throw new Error('these are few')
  const { rank, u, v } = product
  const got = Float64Array.from({ length: OUT * N }, (_, at) => {
    const [i, j] = [Math.floor(at / N), at % N]
    return dot(u.subarray(i * rank, (i + 1) * rank), v.subarray(j * rank, (j + 1) * rank))
  })
  const wanted = dense(whole)
  expect(norm(got.map((x, i) => x - wanted[i]!)) / norm(wanted)).toBeLessThan(1e-4)
})

it('facts that cost next to nothing are written as they are', () => {
  const second = moment()
  const [keys, values] = [vectors(2, N), vectors(2, OUT)]
  const delta = dense(leastChange(scaled(second, 1e-6), keys, values))
  for (const [f, key] of keys.entries())
    for (let i = 0; i < OUT; i++) expect(dot(delta.subarray(i * N, (i + 1) * N), key)).toBeCloseTo(values[f]![i]!, 3)
})
