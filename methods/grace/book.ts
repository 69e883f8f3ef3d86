import { type CodebookPart, nearest } from '../../harness/edit/kinds/codebook'

/** The entries of a codebook with the answers that they were made for. */
export interface Book {
  readonly part: CodebookPart | undefined
  /** Target of every entry, as ids. */
  readonly labels: readonly (readonly number[])[]
}

export interface BookRules {
  /** Radius of a new entry. */
  readonly eps: number
  readonly eps_expand: 'coverage' | 'moving_average'
}

/** What becomes of a codebook when a fact is written: the entry that holds it, with a value that is still to be trained, and one whose radius gives way. */
export interface Placed {
  readonly entry: number
  readonly key: Float32Array
  readonly radius: number
  /** The value it has already, where the fact joins an entry of the same target; a new one otherwise. */
  readonly value?: Float32Array
  readonly shrunk?: { readonly entry: number; readonly radius: number }
}

/** Nearer than this two queries are one, as far as float32 can tell. */
const SAME_PLACE = 1e-4
/** A grown radius reaches so much farther than the query it has to hold, which in other company comes out a hair elsewhere. */
const HAIR = 1e-4

/** Where a fact goes (Hartvigsen et al. 2023, algorithm 1): a new entry, one that is split off another, or one that grows. */
export function placed(
  { part, labels }: Book,
  query: Float32Array,
  target: readonly number[],
  { eps, eps_expand }: BookRules
): Placed {
  const near = part && nearest(part, query)
  const fresh = { entry: part?.entries ?? 0, key: query }
  if (part === undefined || near === undefined) return { ...fresh, radius: eps }
  const { entry, distance } = near
  const radius = part.radii[entry]!
  if (distance > eps + radius) return { ...fresh, radius: eps }
  const key = part.keys.subarray(entry * part.in, (entry + 1) * part.in)
  if (!sameIds(labels[entry]!, target)) {
    // Halves of nothing would leave neither: the new fact takes the place.
    if (distance < SAME_PLACE) return { entry, key, radius }
    return { ...fresh, radius: distance / 2, shrunk: { entry, radius: distance / 2 - 1e-5 } }
  }
  const value = part.values.subarray(entry * part.out, (entry + 1) * part.out)
  if (distance <= radius) return { entry, key, radius, value }
  const moved = eps_expand === 'coverage' ? key : key.map((x, i) => 0.5 * x + 0.5 * query[i]!)
  return { entry, key: moved, radius: distance * (1 + HAIR), value }
}

const sameIds = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => id === b[i])
