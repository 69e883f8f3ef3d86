import { createHash } from 'node:crypto'

/**
 * A seeded stream of random numbers. Streams are named: what is drawn depends on (seed, purpose, id) alone,
 * never on the order or concurrency of the program.
 * Generator: sfc32 (Chris Doty-Humphrey, PractRand), seeded with SHA-256 of the name.
 */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number
  /** Standard normal (Box–Muller). */
  normal(): number
  /** Whole number in [0, n). */
  integer(n: number): number
  pick<T>(items: readonly T[]): T
  /** A shuffled copy (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[]
}

export function randomStream(seed: number, purpose: string, id: string | number = ''): Random {
  const digest = createHash('sha256').update(`${seed}\0${purpose}\0${id}`).digest()
  let a = digest.readUInt32LE(0)
  let b = digest.readUInt32LE(4)
  let c = digest.readUInt32LE(8)
  let counter = 1
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  for (let i = 0; i < 12; i++) next()
  const uniform = () => next() / 4294967296
  const integer = (n: number) => Math.floor(uniform() * n)
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    pick: (items) => {
      if (items.length === 0) throw new RangeError('pick from an empty list')
      return items[integer(items.length)]!
    },
    shuffle: (items) => {
      const out = [...items]
      for (let i = out.length - 1; i > 0; i--) {
        const j = integer(i + 1)
        const kept = out[i]!
        out[i] = out[j]!
        out[j] = kept
      }
      return out
    }
  }
}
