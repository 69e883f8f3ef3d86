import { Bool, type Data, Float64, Int32, List, Map_, MapRow, Utf8, Vector } from 'apache-arrow'

/*
 * Columns of a table as they lie in its file: a value is made when it is asked for, so that a million rows need little more memory than their file.
 * The library's own access makes an object for every cell. What is not laid out as we write it (several chunks, an offset) goes through the library.
 */

export interface Column<T> {
  readonly length: number
  get(row: number): T
}

/** Some columns of a table; row i of each is the same row. */
export type Columns<Row, K extends keyof Row> = { readonly [P in K]: Column<Row[P]> } & { readonly length: number }

/** The columns of rows that lie in memory. */
export function columnsOf<Row, K extends keyof Row & string>(
  rows: readonly Row[],
  names: readonly K[]
): Columns<Row, K> {
  const column = (name: K) => ({ length: rows.length, get: (i: number) => rows[i]![name] })
  return named(names, column, rows.length)
}

/** The rows of some columns. */
export function rowsOf<Row, K extends keyof Row & string>(
  columns: Columns<Row, K>,
  names: readonly K[]
): Pick<Row, K>[] {
  return Array.from({ length: columns.length }, (_, i) => {
    const row: Partial<Record<K, unknown>> = {}
    for (const name of names) row[name] = columns[name].get(i)
    return row as Pick<Row, K>
  })
}

/** Columns by their names. */
export function named<Row, K extends keyof Row & string>(
  names: readonly K[],
  columnOf: (name: K) => Column<unknown>,
  length: number
): Columns<Row, K> {
  return { ...Object.fromEntries(names.map((name) => [name, columnOf(name)])), length } as Columns<Row, K>
}

/** Columns of record batches that follow each other, as one. */
export function concatenated(chunks: readonly Column<unknown>[]): Column<unknown> {
  if (chunks.length === 1) return chunks[0]!
  const starts = new Int32Array(chunks.length + 1)
  for (const [i, chunk] of chunks.entries()) starts[i + 1] = starts[i]! + chunk.length
  // Rows are mostly asked for one after the other.
  let last = 0
  return {
    length: starts[chunks.length]!,
    get(row) {
      if (row < starts[last]! || row >= starts[last + 1]!) last = chunkAt(starts, row)
      return chunks[last]!.get(row - starts[last]!)
    }
  }
}

/** The last chunk that starts at or before a row. */
function chunkAt(starts: Int32Array, row: number): number {
  let [low, high] = [0, starts.length - 2]
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (starts[middle]! <= row) low = middle
    else high = middle - 1
  }
  return low
}

/**
 * A column of a record batch.
 * @param most what no list can be longer than: the bytes of its file
 * @throws Error when it is damaged
 */
export function columnOf(vector: Vector, most: number): Column<unknown> {
  const [data, ...more] = vector.data
  const laidOut = data === undefined || more.length > 0 || data.offset !== 0 ? undefined : dataColumn(data, most)
  return laidOut ?? { length: vector.length, get: (i) => plain(vector.get(i), most) }
}

function dataColumn(data: Data, most: number): Column<unknown> | undefined {
  const column = layoutColumn(data, most)
  if (column === undefined || data.nullCount === 0) return column
  const { nullBitmap, length } = data
  return { length, get: (i) => (bit(nullBitmap, i) ? column.get(i) : null) }
}

const bit = (bits: Uint8Array, i: number): boolean => ((bits[i >> 3]! >> (i & 7)) & 1) === 1

function layoutColumn({ type, length, values, valueOffsets, children }: Data, most: number) {
  if (type instanceof Utf8) return texts(values as Uint8Array, valueOffsets as Int32Array, length)
  if (type instanceof Bool) return { length, get: (i: number) => bit(values as Uint8Array, i) }
  if (type instanceof Int32 || type instanceof Float64)
    return { length, get: (i: number) => (values as Float64Array)[i] }
  const offsets = valueOffsets as Int32Array
  if (type instanceof List) {
    const items = children[0]?.offset === 0 ? dataColumn(children[0], most) : undefined
    if (items === undefined) return undefined
    checkOffsets(offsets, length, items.length)
    const get = (row: number) =>
      Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_, i) => items.get(offsets[row]! + i))
    return { length, get }
  }
  if (type instanceof Map_) {
    const [names, scores] = (children[0]?.children ?? []).map((c) => (c.offset === 0 ? dataColumn(c, most) : undefined))
    if (names === undefined || scores === undefined) return undefined
    checkOffsets(offsets, length, Math.min(names.length, scores.length))
    const get = (row: number) => {
      const entries: Record<string, unknown> = {}
      for (let i = offsets[row]!; i < offsets[row + 1]!; i++) entries[names.get(i) as string] = scores.get(i)
      return entries
    }
    return { length, get }
  }
  return undefined
}

/** Texts up to this length are mostly repeated (names, kinds, answers), so that one string serves for all. */
const REPEATED = 40
/** Texts remembered for that; a power of two. */
const REMEMBERED = 1024

function texts(values: Uint8Array, offsets: Int32Array, length: number): Column<string> {
  checkOffsets(offsets, length, values.length)
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  const known = new Array<string | undefined>(REMEMBERED)
  const rows = new Int32Array(REMEMBERED)
  const get = (i: number) => {
    const [from, to] = [offsets[i]!, offsets[i + 1]!]
    if (to - from > REPEATED) return bytes.toString('utf8', from, to)
    let hash = to - from
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + bytes[at]!) | 0
    const slot = hash & (REMEMBERED - 1)
    const other = known[slot]
    if (other !== undefined && same(bytes, offsets, i, rows[slot]!)) return other
    const text = bytes.toString('utf8', from, to)
    known[slot] = text
    rows[slot] = i
    return text
  }
  return { length, get }
}

function same(bytes: Uint8Array, offsets: Int32Array, a: number, b: number): boolean {
  const size = offsets[a + 1]! - offsets[a]!
  if (offsets[b + 1]! - offsets[b]! !== size) return false
  for (let i = 0; i < size; i++) if (bytes[offsets[a]! + i] !== bytes[offsets[b]! + i]) return false
  return true
}

/** @throws Error when offsets do not go up, or lead outside: the file is damaged */
function checkOffsets(offsets: Int32Array, length: number, most: number): void {
  for (let i = 0; i < length; i++) {
    const [from, to] = [offsets[i]!, offsets[i + 1]!]
    if (!(from >= 0 && to >= from && to <= most)) throw new Error(`item ${i} lies from ${from} to ${to} of ${most}`)
  }
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
