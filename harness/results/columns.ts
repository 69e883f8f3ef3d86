import { Bool, type Data, Float64, Int32, List, Map_, MapRow, Utf8, Vector } from 'apache-arrow'

/*
 * Columns of a record batch as plain values, all of a column at a time: the library's own access makes an object for every cell. What is not laid
 * out as we write it (several chunks, an offset) goes through the library.
 */

/** Texts up to this length are mostly repeated: names, kinds, answers. */
const INTERNED = 40

/** @param most what no list can be longer than: the bytes of its file */
export function columnValues(column: Vector, most: number): unknown[] {
  const [data, ...more] = column.data
  if (data === undefined || more.length > 0 || data.offset !== 0)
    return Array.from({ length: column.length }, (_, i) => plain(column.get(i), most))
  return dataValues(data, most) ?? Array.from({ length: column.length }, (_, i) => plain(column.get(i), most))
}

function dataValues(data: Data, most: number): unknown[] | undefined {
  const values = layoutValues(data, most)
  if (values === undefined || data.nullCount === 0) return values
  const { nullBitmap } = data
  for (let i = 0; i < values.length; i++) if (((nullBitmap[i >> 3]! >> (i & 7)) & 1) === 0) values[i] = null
  return values
}

function layoutValues({ type, length, values, valueOffsets, children }: Data, most: number): unknown[] | undefined {
  if (type instanceof Utf8) return texts(values as Uint8Array, valueOffsets as Int32Array, length)
  if (type instanceof Bool)
    return Array.from({ length }, (_, i) => (((values as Uint8Array)[i >> 3]! >> (i & 7)) & 1) === 1)
  if (type instanceof Int32 || type instanceof Float64) return Array.from((values as Float64Array).subarray(0, length))
  if (type instanceof List) {
    const items = children[0]?.offset === 0 ? dataValues(children[0], most) : undefined
    return items && slices(valueOffsets as Int32Array, length, items.length).map(([from, to]) => items.slice(from, to))
  }
  if (type instanceof Map_) {
    const [keys, inner] = children[0]?.children ?? []
    const names = keys?.offset === 0 ? dataValues(keys, most) : undefined
    const scores = inner?.offset === 0 ? dataValues(inner, most) : undefined
    if (names === undefined || scores === undefined) return undefined
    return slices(valueOffsets as Int32Array, length, names.length).map(([from, to]) => {
      const entries: Record<string, unknown> = {}
      for (let i = from; i < to; i++) entries[names[i] as string] = scores[i]
      return entries
    })
  }
  return undefined
}

function texts(bytes: Uint8Array, offsets: Int32Array, length: number): string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const known = new Map<string, string>()
  return slices(offsets, length, bytes.length).map(([from, to]) => {
    const text = buffer.toString('utf8', from, to)
    if (to - from > INTERNED) return text
    const before = known.get(text)
    if (before !== undefined) return before
    known.set(text, text)
    return text
  })
}

/** @throws Error when the offsets do not go up, or lead outside: the file is damaged */
function slices(offsets: Int32Array, length: number, most: number): [number, number][] {
  return Array.from({ length }, (_, i) => {
    const [from, to] = [offsets[i]!, offsets[i + 1]!]
    if (!(from >= 0 && to >= from && to <= most)) throw new Error(`item ${i} lies from ${from} to ${to} of ${most}`)
    return [from, to]
  })
}

/** A cell as the library gives it: a list is a vector, a map a row of its own. */
function plain(value: unknown, most: number): unknown {
  if (value instanceof MapRow) {
    if (value.size > most) throw new Error(`it claims a map of ${value.size}`)
    return Object.fromEntries(value)
  }
  if (!(value instanceof Vector)) return value
  if (value.length > most) throw new Error(`it claims a list of ${value.length}`)
  return [...value]
}
