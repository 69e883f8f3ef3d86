import { randomStream } from '../random'

/*
 * Statistics of paired differences: the same cases under two runs. Cases are independent of each other, questions of one case are not, so
 * that the unit is the case.
 */

/** 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054

/** Mean difference with its 95 % interval: the percentile bootstrap over cases (Efron 1979). */
export interface Difference {
  readonly mean: number
  readonly low: number
  readonly high: number
}

/**
 * Where no case differs there is nothing to resample, and still some may: the interval is then that of a share of 0 of n (Wilson 1927), in
 * both directions.
 */
export function pairedDifference(
  differences: Float64Array,
  { seed, resamples }: { readonly seed: number; readonly resamples: number }
): Difference {
  const n = differences.length
  const unlike = differences.filter((d) => d !== 0)
  if (unlike.length === 0) {
    const most = Z ** 2 / (n + Z ** 2)
    return { mean: 0, low: -most, high: most }
  }
  const mean = unlike.reduce((a, b) => a + b, 0) / n
  const random = randomStream(seed, 'paired bootstrap', n)
  const means = new Float64Array(resamples)
  // A resample draws the cases that differ as often as chance has it; the others add nothing.
  for (let r = 0; r < resamples; r++) {
    let sum = 0
    for (let i = binomial(n, unlike.length / n, random); i > 0; i--) sum += unlike[random.integer(unlike.length)]!
    means[r] = sum / n
  }
  means.sort()
  const quantile = (q: number) => means[Math.min(resamples - 1, Math.floor(q * resamples))]!
  return { mean, low: Math.min(mean, quantile(0.025)), high: Math.max(mean, quantile(0.975)) }
}

/** How many of n trials succeed: counted for few, else the normal approximation with its rounding. */
function binomial(n: number, p: number, random: ReturnType<typeof randomStream>): number {
  if (n <= 1000) {
    let successes = 0
    for (let i = 0; i < n; i++) if (random.uniform() < p) successes++
    return successes
  }
  const drawn = Math.round(n * p + Math.sqrt(n * p * (1 - p)) * random.normal())
  return Math.min(n, Math.max(0, drawn))
}

/**
 * McNemar's exact test (1947): how likely it is that of the cases that differ as few, or fewer, go one way, when both ways are equally likely.
 * Two-sided.
 */
export function mcnemar(lost: number, won: number): number {
  const n = lost + won
  if (lost === won) return 1
  // log of n choose k, summed on from k = 0.
  let logChoose = 0
  let sum = 0
  const least = Math.min(lost, won)
  for (let k = 0; k <= least; k++) {
    const exponent = logChoose - n * Math.LN2
    // Less than any number.
    if (exponent > -745) sum += Math.exp(exponent)
    logChoose += Math.log(n - k) - Math.log(k + 1)
  }
  return Math.min(1, 2 * sum)
}

/** Largest number of differing cases for which every sign is tried. */
const MOST_EXACT = 14
/** From so many on their sum is as good as normal. */
const MANY = 1000
const FLIPS = 10_000

/**
 * The sign-flip test (Fisher 1935) of a mean difference of zero, for values that are no indicators: exact for few differing cases, by 10,000
 * random flips, the observed one among them, for more, and by the normal distribution for many. Two-sided.
 */
export function signFlip(differences: Float64Array, seed: number): number {
  const unlike = differences.filter((d) => d !== 0)
  const n = unlike.length
  if (n === 0) return 1
  const observed = Math.abs(unlike.reduce((a, b) => a + b, 0)) - 1e-12
  /** @param next 32 signs */
  const flipped = (next: () => number) => {
    let sum = 0
    for (let i = 0; i < n; ) {
      const signs = next()
      for (const end = Math.min(n, i + 32); i < end; i++) sum += (signs >>> (i & 31)) & 1 ? -unlike[i]! : unlike[i]!
    }
    return Math.abs(sum) >= observed
  }
  if (n <= MOST_EXACT) {
    let extreme = 0
    for (let signs = 0; signs < 2 ** n; signs++) if (flipped(() => signs)) extreme++
    return extreme / 2 ** n
  }
  if (n > MANY) return normalTail(observed / Math.sqrt(unlike.reduce((sum, d) => sum + d * d, 0)))
  const random = randomStream(seed, 'sign flip', n)
  let extreme = 1
  for (let r = 1; r < FLIPS; r++) if (flipped(() => random.integer(2 ** 32))) extreme++
  return extreme / FLIPS
}

/** Both tails of the standard normal distribution beyond z ≥ 0; Abramowitz and Stegun 7.1.26, to 1.5e-7. */
function normalTail(z: number): number {
  const x = z / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  return series * Math.exp(-x * x)
}

/** Holm's adjusted p-values (1979): of several tests, how sure one may be of each. In the order given. */
export function holm(p: readonly number[]): number[] {
  const order = p.map((_, i) => i).sort((a, b) => p[a]! - p[b]!)
  const adjusted = new Array<number>(p.length)
  let least = 0
  for (const [rank, i] of order.entries()) {
    least = Math.max(least, Math.min(1, (p.length - rank) * p[i]!))
    adjusted[i] = least
  }
  return adjusted
}
