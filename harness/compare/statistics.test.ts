import { randomStream } from '../random'
import { holm, mcnemar, pairedDifference, signFlip } from './statistics'

// R: mcnemar by binom.test(min, n, 0.5)$p.value; p.adjust(p, "holm").
it.each([
  [0, 0, 1],
  [5, 5, 1],
  [1, 9, 0.021484375],
  [9, 1, 0.021484375],
  [0, 10, 0.001953125],
  [3, 15, 0.007537841796875],
  [100, 140, 0.0117]
])('McNemar’s exact test of %i lost and %i won is %f', (lost, won, p) => {
  expect(mcnemar(lost, won)).toBeCloseTo(p, p === 0.0117 ? 3 : 9)
})

it('stays a probability for a million cases', () => {
  expect(mcnemar(500_000, 500_000)).toBe(1)
  expect(mcnemar(400_000, 600_000)).toBe(0)
})

it('Holm’s adjustment is that of R', () => {
  expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02])
  expect(holm([])).toEqual([])
  expect(holm([0.9, 0.8])).toEqual([1, 1])
})

it('the sign-flip test counts the flips that are as extreme', () => {
  // All of one sign: only the two that have them all alike.
  expect(signFlip(Float64Array.of(1, 2, 3, 4, 0, 0), 0)).toBe(2 / 16)
  expect(signFlip(Float64Array.of(1, -1), 0)).toBe(1)
  expect(signFlip(new Float64Array(5), 0)).toBe(1)
  const many = Float64Array.from({ length: 40 }, (_, i) => (i < 34 ? 0.5 : -0.5))
  expect(signFlip(many, 0)).toBeLessThan(0.001)
  // Many differences: as the normal distribution has it.
  const more = Float64Array.from({ length: 2500 }, (_, i) => (i < 1299 ? 1 : -1))
  expect(signFlip(more, 0)).toBeCloseTo(0.05, 2)
})

it('an interval is where the mean would be, and no point where nothing differs', () => {
  const options = { seed: 0, resamples: 2000 }
  const same = pairedDifference(new Float64Array(100), options)
  expect(same.mean).toBe(0)
  expect(same.high).toBeCloseTo(0.037, 3)
  expect(same.low).toBe(-same.high)
  const random = randomStream(0, 'test')
  const differences = Float64Array.from({ length: 400 }, () =>
    random.uniform() < 0.2 ? -1 : random.uniform() < 0.1 ? 1 : 0
  )
  const { mean, low, high } = pairedDifference(differences, options)
  const variance = differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / 400
  expect(low).toBeCloseTo(mean - 1.96 * Math.sqrt(variance / 400), 1.5)
  expect(high).toBeCloseTo(mean + 1.96 * Math.sqrt(variance / 400), 1.5)
})
