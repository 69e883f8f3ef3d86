import { randomStream } from '../random'
import { mean } from '../statistics/intervals'
import { signFlip } from './statistics'

/*
 * Where a line of runs steps from one level to another. Of all places the one that explains most is taken, tested, and each side looked at again
 * (binary segmentation, Scott and Knott 1974).
 */

/** From run `at` on, up to the next step, values are about `after`; before it, back to the step before, about `before`. */
export interface Step {
  readonly at: number
  readonly before: number
  readonly after: number
  /** Of no step, adjusted for every place where one could be. */
  readonly p: number
  /** Cases whose mean fell, and rose; only where cases are compared. */
  readonly lost?: number
  readonly won?: number
}

export interface StepOptions {
  readonly significance: number
  readonly seed: number
  /** Lines that are looked at together, which every p is adjusted for (Bonferroni). */
  readonly lines: number
}

interface Candidate {
  readonly at: number
  readonly before: number
  readonly after: number
  readonly weight: number
}

/** The place between two levels that explains most of the variance. */
function best(values: readonly number[], places: readonly number[]): Candidate | undefined {
  const n = values.length
  const sums = new Float64Array(n + 1)
  for (let i = 0; i < n; i++) sums[i + 1] = sums[i]! + values[i]!
  let [found, most] = [-1, -1]
  for (const at of places) {
    const before = sums[at]! / at
    const after = (sums[n]! - sums[at]!) / (n - at)
    const weight = Math.abs(after - before) * Math.sqrt((at * (n - at)) / n)
    if (weight > most) [found, most] = [at, weight]
  }
  if (found < 0) return undefined
  return { at: found, before: sums[found]! / found, after: (sums[n]! - sums[found]!) / (n - found), weight: most }
}

type Found = Pick<Step, 'at' | 'p'>

/** Looks at some runs, then at those before and after a step. */
function segment(from: number, to: number, find: (from: number, to: number) => Found | undefined): Found[] {
  const step = find(from, to)
  if (step === undefined) return []
  return [...segment(from, step.at, find), step, ...segment(step.at, to, find)]
}

/** Describes each step by the runs between its neighbours. */
function between(steps: readonly Found[], runs: number, describe: (from: number, step: Found, to: number) => Step) {
  return steps.map((step, i) => describe(steps[i - 1]?.at ?? 0, step, steps[i + 1]?.at ?? runs))
}

/**
 * Steps of shares of right answers, tested over cases by flipping signs: the same cases before and after. Runs that answer alike are no noise, and a
 * step can only be where an answer changed.
 * @param runs of each run, each case's share; NaN where it has none
 */
export function shareSteps(runs: readonly Float64Array[], options: StepOptions): Step[] {
  const means = runs.map(meanOf)
  const changed = runs.map((run, i) => i > 0 && run.some((share, c) => !Object.is(share, runs[i - 1]![c])))
  const steps = segment(0, runs.length, (from, to) => {
    const places = range(from + 1, to).filter((at) => changed[at])
    const found = best(
      means.slice(from, to),
      places.map((at) => at - from)
    )
    if (found === undefined) return undefined
    const at = from + found.at
    const p = signFlip(differencesAt(runs, from, at, to), options.seed) * places.length * options.lines
    return p < options.significance ? { at, p } : undefined
  })
  return between(steps, runs.length, (from, { at, p }, to) => {
    const differences = differencesAt(runs, from, at, to)
    const lost = differences.filter((d) => d < 0).length
    const won = differences.filter((d) => d > 0).length
    return { at, before: mean(means.slice(from, at)), after: mean(means.slice(at, to)), p, lost, won }
  })
}

/** Case by case, the mean after a place less that before it, of the cases that both sides have. */
function differencesAt(runs: readonly Float64Array[], from: number, at: number, to: number): Float64Array {
  const [before, after] = [caseMeans(runs.slice(from, at)), caseMeans(runs.slice(at, to))]
  return after.map((share, c) => share - before[c]!).filter((d) => !Number.isNaN(d))
}

/** Random orders behind a p. */
const ORDERS = 9999
/** A smaller ratio is no step, however sure. */
const LEAST_RATIO = 1.1

/**
 * Steps of times: by how much orders of the runs drawn at random have steps as large (a permutation test of the largest step, as E-divisive of James
 * and Matteson 2015 has it). Times are compared by their ratios.
 */
export function timeSteps(values: readonly number[], { significance, seed, lines }: StepOptions): Step[] {
  const logs = values.map(Math.log)
  const steps = segment(0, values.length, (from, to) => {
    const own = logs.slice(from, to)
    const places = range(1, own.length)
    const found = best(own, places)
    if (found === undefined || Math.abs(found.after - found.before) < Math.log(LEAST_RATIO)) return undefined
    const random = randomStream(seed, 'order of runs', own.length)
    // No more than decide it.
    const most = (significance * (ORDERS + 1)) / lines
    let extreme = 1
    for (let i = 0; i < ORDERS && extreme < most; i++)
      if (best(random.shuffle(own), places)!.weight >= found.weight - 1e-12) extreme++
    if (extreme >= most) return undefined
    return { at: from + found.at, p: (extreme / (ORDERS + 1)) * lines }
  })
  return between(steps, values.length, (from, { at, p }, to) => {
    return { at, before: Math.exp(mean(logs.slice(from, at))), after: Math.exp(mean(logs.slice(at, to))), p }
  })
}

const range = (from: number, to: number): number[] => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i)

/** Of the cases that have one. */
const meanOf = (shares: Float64Array): number => mean(shares.filter((share) => !Number.isNaN(share)))

/** Each case's mean over the runs that have it. */
function caseMeans(runs: readonly Float64Array[]): Float64Array {
  return runs[0]!.map((_, c) => meanOf(Float64Array.from(runs, (run) => run[c]!)))
}
