import { randomStream } from '../random'

/** A mean over cases with its 95 % interval, as shares in 0..1 (or in the unit of the metric). */
export interface Estimate {
  readonly mean: number
  readonly low: number
  readonly high: number
  /** Cases that have something to measure. */
  readonly cases: number
}

export interface IntervalOptions {
  readonly seed: number
  readonly resamples: number
  /** Least and largest value a case can have; shares when missing. */
  readonly bounds?: readonly [number, number]
  /** What each case weighs: the same when missing. */
  readonly weights?: readonly number[]
  /** What the mean becomes. */
  readonly of?: (mean: number) => number
}

/** 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054

/**
 * Mean over cases with its 95 % interval. Where every case is right or wrong, or all agree, that of Wilson (1927), which is no point even then;
 * otherwise the percentile bootstrap over cases (Efron 1979). The same values always have the same interval.
 * Undefined when there is nothing to average: not measured is not zero.
 */
export function estimate(
  values: readonly number[],
  { seed, resamples, bounds: [least, most] = [0, 1], weights, of = (value) => value }: IntervalOptions
): Estimate | undefined {
  const n = values.length
  if (n === 0) return undefined
  if (weights !== undefined) {
    const [low, high] = bootstrap(values, seed, resamples, weights)
    return { mean: of(weightedMean(values, weights)), low: of(low), high: of(high), cases: n }
  }
  const average = mean(values)
  const unlike = values.some((v) => v !== values[0])
  // Without bounds nothing is known of values that were not seen.
  const between = (unlike && values.some((v) => v !== least && v !== most)) || !Number.isFinite(most - least)
  const [low, high] = between ? bootstrap(values, seed, resamples) : wilson(average, n, least, most)
  return { mean: average, low, high, cases: n }
}

/** The score interval of a share of n cases, for values between two bounds: a spread of at most theirs. */
function wilson(average: number, n: number, least: number, most: number): [number, number] {
  const width = most - least
  const p = (average - least) / width
  const centre = (p + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n)
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2))
  const at = (share: number) => least + width * Math.min(1, Math.max(0, share))
  // Rounding must not leave the mean outside.
  return [Math.min(average, at(centre - half)), Math.max(average, at(centre + half))]
}

/** Resamples depend on the number of cases alone, so that one number has one interval wherever it stands. */
function bootstrap(
  values: readonly number[],
  seed: number,
  resamples: number,
  weights?: readonly number[]
): [number, number] {
  const n = values.length
  const random = randomStream(seed, 'bootstrap', n)
  const means = new Float64Array(resamples)
  for (let r = 0; r < resamples; r++) {
    let [sum, weight] = [0, 0]
    for (let i = 0; i < n; i++) {
      const drawn = random.integer(n)
      const w = weights === undefined ? 1 : weights[drawn]!
      sum += w * values[drawn]!
      weight += w
    }
    means[r] = sum / weight
  }
  means.sort()
  const quantile = (q: number) => means[Math.min(resamples - 1, Math.floor(q * resamples))]!
  return [quantile(0.025), quantile(0.975)]
}

function weightedMean(values: readonly number[], weights: readonly number[]): number {
  let [sum, weight] = [0, 0]
  for (const [i, value] of values.entries()) {
    sum += weights[i]! * value
    weight += weights[i]!
  }
  return sum / weight
}

export function mean(values: Iterable<number>): number {
  let [sum, count] = [0, 0]
  for (const value of values) {
    sum += value
    count++
  }
  return sum / count
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
