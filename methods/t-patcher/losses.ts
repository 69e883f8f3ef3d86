/*
 * What keeps patches in their place (Huang et al. 2023, section 4.2; the book's 5.9 to 5.13), as the official code has it: means of the largest exponentials.
 * Pre-activations, not activations, are held. The code trains on copies of the example, `repeat` of them, and takes the largest of all copies.
 */

/** A value among the largest, and its share of their mean. */
interface Largest {
  readonly index: number
  readonly share: number
}

/** The `top` largest of values that are each there `repeat` times. */
export function largest(values: ArrayLike<number>, top: number, repeat: number): Largest[] {
  const wanted = Math.min(Math.ceil(top / repeat), values.length)
  const indices = topIndices(values, wanted)
  const counted = Math.min(top, values.length * repeat)
  return indices.map((index, rank) => ({ index, share: Math.min(repeat, top - rank * repeat) / counted }))
}

/** Indices of the largest values, the largest first, of equal ones the first. */
function topIndices(values: ArrayLike<number>, count: number): number[] {
  if (count === 0) return []
  // A heap whose root is the least of those held.
  const heap = Array.from({ length: count }, (_, i) => i)
  const sink = (from: number) => {
    const index = heap[from]!
    const value = values[index]!
    let i = from
    for (;;) {
      let child = 2 * i + 1
      if (child >= count) break
      if (child + 1 < count && values[heap[child + 1]!]! < values[heap[child]!]!) child++
      if (values[heap[child]!]! >= value) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = index
  }
  for (let i = (count >> 1) - 1; i >= 0; i--) sink(i)
  let least = values[heap[0]!]!
  for (let index = count; index < values.length; index++) {
    if (!(values[index]! > least)) continue
    heap[0] = index
    sink(0)
    least = values[heap[0]!]!
  }
  return heap.sort((a, b) => values[b]! - values[a]! || a - b)
}

export interface LossRules {
  readonly act_margin_val: number
  readonly margin_val1: number
  readonly margin_val2: number
  readonly example_repeat: number
}

/** How many of the largest count: `top5_exp` and `top1000_exp` of the code. */
const ACTIVE = 5
const SILENT = 1000

/** That every patch acts at its own token. @param acts pre-activation of each patch there */
export function activationLoss(
  acts: readonly number[],
  { act_margin_val: margin, example_repeat }: LossRules
): { loss: number; gradient: number[] } {
  const gradient = acts.map(() => 0)
  let loss = 0
  const exponents = acts.map((a) => margin - a)
  for (const { index, share } of largest(exponents, ACTIVE, example_repeat)) {
    const part = share * Math.exp(exponents[index]!)
    loss += part
    gradient[index] = gradient[index]! - part
  }
  return { loss, gradient }
}

/** How a loss leans on pre-activations at memories. */
export interface MemoryPull {
  readonly patch: number
  readonly memory: number
  /** Derivative of the loss. */
  readonly slope: number
}

/**
 * That every patch is silent at all memories, and more so than at its own token.
 * @param silent pre-activations `[patches, memories]`, row-major
 * @param acts at their own tokens
 */
export function memoryLoss(
  silent: Float32Array,
  acts: readonly number[],
  { margin_val1, margin_val2, example_repeat }: LossRules
): { loss: number; pulls: MemoryPull[]; gradient: number[] } {
  const memories = silent.length / acts.length
  const gradient = acts.map(() => 0)
  const pulls: MemoryPull[] = []
  const exponents = new Float32Array(silent.length)
  let loss = 0
  const add = (shiftOf: (patch: number) => number, relative: boolean) => {
    for (let patch = 0, i = 0; patch < acts.length; patch++) {
      const shift = shiftOf(patch)
      for (let m = 0; m < memories; m++, i++) exponents[i] = silent[i]! + shift
    }
    for (const { index, share } of largest(exponents, SILENT, example_repeat)) {
      const patch = Math.floor(index / memories)
      const slope = share * Math.exp(exponents[index]!)
      loss += slope
      pulls.push({ patch, memory: index % memories, slope })
      if (relative) gradient[patch] = gradient[patch]! - slope
    }
  }
  add((patch) => margin_val1 - acts[patch]!, true)
  add(() => -margin_val2, false)
  return { loss, pulls, gradient }
}
