import { randomStream } from '../random'
import type { Estimate } from '../results/types'

export interface BootstrapOptions {
  readonly seed: number
  /** Names the statistic: each draws its own random numbers. */
  readonly purpose: string
  readonly resamples: number
}

/**
 * Mean with its 95 % percentile bootstrap interval over cases (Efron 1979).
 * Undefined when there is nothing to average: not measured is not zero.
 */
export function estimate(
  values: readonly number[],
  { seed, purpose, resamples }: BootstrapOptions
): Estimate | undefined {
  const n = values.length
  if (n === 0) return undefined
  const random = randomStream(seed, 'bootstrap', purpose)
  const means = new Float64Array(resamples)
  for (let r = 0; r < resamples; r++) {
    let sum = 0
    for (let i = 0; i < n; i++) sum += values[random.integer(n)]!
    means[r] = sum / n
  }
  means.sort()
  const quantile = (q: number) => means[Math.min(resamples - 1, Math.floor(q * resamples))]!
  return { mean: mean(values), low: quantile(0.025), high: quantile(0.975), cases: n }
}

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
