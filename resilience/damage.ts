import type { Random } from '../harness/random'

/** Bytes that readers stumble over: signs, lengths, ends. */
const BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x28, 0x5b, 0x5d, 0x7b, 0x7d, 0x22, 0x2e, 0x0a]

/** A copy of a file's bytes, damaged in one to four places: what disks, downloads and people do to files. */
export function damaged(bytes: Buffer, random: Random): Buffer {
  let out = Buffer.from(bytes)
  for (let times = 1 + random.integer(4); times > 0; times--) out = Buffer.from(random.pick(DAMAGES)(out, random))
  return out
}

type Damage = (bytes: Buffer, random: Random) => Uint8Array

const place = (bytes: Buffer, random: Random) => random.integer(Math.max(1, bytes.length))

const DAMAGES: readonly Damage[] = [
  // One bit, anywhere and near the start, where headers are.
  (bytes, random) => flipped(bytes, place(bytes, random), random),
  (bytes, random) => flipped(bytes, Math.min(place(bytes, random), random.integer(256)), random),
  (bytes, random) => {
    const out = Buffer.from(bytes)
    if (out.length > 0) out[place(out, random)] = random.pick(BYTES)
    return out
  },
  // Cut short, as by a full disk.
  (bytes, random) => bytes.subarray(0, place(bytes, random)),
  (bytes, random) => bytes.subarray(Math.min(bytes.length, random.integer(64))),
  // A stretch twice, missing, or of another value.
  (bytes, random) => {
    const [from, length] = [place(bytes, random), random.integer(64)]
    return Buffer.concat([bytes.subarray(0, from + length), bytes.subarray(from)])
  },
  (bytes, random) => {
    const [from, length] = [place(bytes, random), random.integer(64)]
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)])
  },
  (bytes, random) => {
    const from = place(bytes, random)
    return Buffer.from(bytes).fill(random.pick(BYTES), from, Math.min(bytes.length, from + random.integer(64)))
  },
  // A length or offset out of all proportion.
  (bytes, random) => {
    const out = Buffer.from(bytes)
    const at = Math.min(place(out, random), random.integer(512))
    if (at + 8 <= out.length)
      out.writeBigUInt64LE(random.pick([0n, 1n, 2n ** 31n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]), at)
    return out
  },
  (bytes, random) => {
    const out = Buffer.from(bytes)
    const at = Math.max(0, out.length - 4 - random.integer(128))
    if (at + 4 <= out.length) out.writeUInt32LE(random.pick([0, 1, 0x7fffffff, 0xffffffff]), at)
    return out
  }
]

function flipped(bytes: Buffer, at: number, random: Random): Buffer {
  const out = Buffer.from(bytes)
  if (out.length > 0) out[at]! ^= 1 << random.integer(8)
  return out
}

const deep = (depth: number): unknown => (depth === 0 ? [] : [deep(depth - 1)])
/** Values nobody means. */
const ABSURD: readonly unknown[] = [
  ...[null, true, '', ' ', [], {}, [[]], 0, -1, 1, 2, 1.5, 1e9, 2 ** 31, 2 ** 53, 1e308, -1e308, 5e-324],
  ...['../../../escaped', '/escaped', 'a\u0000b', '\ud800', 'x'.repeat(70_000), '__proto__', 'constructor', '$&'],
  ...[deep(500), { toString: 1 }, Array.from({ length: 5000 }, (_, i) => i), 'NaN', '1e999']
]

/** A JSON text with one to three of its values replaced, left out, renamed or repeated; still JSON. */
export function damagedJson(text: string, random: Random): string {
  const root: { value: unknown } = { value: JSON.parse(text) }
  for (let times = 1 + random.integer(3); times > 0; times--) {
    const places = placesIn(root)
    if (places.length === 0) break
    const { holder, key } = random.pick(places)
    const value = holder[key]
    switch (random.integer(6)) {
      case 0:
        delete holder[key]
        break
      case 1:
        holder[`${key}${random.pick(['x', ' ', '_'])}`] = value
        delete holder[key]
        break
      case 2:
        holder[key] = typeof value === 'number' ? value * random.pick([-1, 0.5, 10, 1e6, 1e12]) : [value]
        break
      case 3:
        holder[key] = structuredClone(random.pick(places.map((p) => p.holder[p.key])))
        break
      default:
        holder[key] = structuredClone(random.pick(ABSURD))
    }
  }
  return JSON.stringify(root.value) ?? 'null'
}

interface Place {
  readonly holder: Record<string, unknown>
  readonly key: string
}

/** Up to a few thousand values of a document, its large lists thinned out so that every part has its turn. */
function placesIn(holder: unknown, depth = 20): Place[] {
  if (typeof holder !== 'object' || holder === null || depth === 0) return []
  const all = Object.entries(holder)
  const some = all.length <= 40 ? all : all.filter((_, i) => i % Math.ceil(all.length / 40) === 0)
  return some.flatMap(([key, value]) => [
    { holder: holder as Record<string, unknown>, key },
    ...placesIn(value, depth - 1)
  ])
}
