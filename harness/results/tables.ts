import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  Bool,
  type DataType,
  Field,
  Float64,
  Int32,
  List,
  Map_,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  Schema,
  Struct,
  Utf8,
  vectorFromArray
} from 'apache-arrow'

import { UserError } from '../errors'
import { replaceWhole } from '../replace'
import { withinTime } from '../time-limit'
import { type Column, type Columns, columnOf, concatenated, named, rowsOf } from './columns'
import type { AnswerRow, EditRow, TraceRow } from './rows'
import { readSealed, type Seal, type Seals, sealOf } from './seal'

const nullable = (name: string, type: DataType) => new Field(name, type, true)
const required = <T extends DataType>(name: string, type: T) => new Field<T>(name, type, false)

/** Columns of answers.arrow, named as in `AnswerRow`. Plain strings: dictionary ids would depend on what ran before. */
const ANSWERS = new Schema([
  required('setting', new Utf8()),
  required('caseId', new Utf8()),
  required('probe', new Int32()),
  required('property', new Utf8()),
  required('kind', new Utf8()),
  required('prompt', new Utf8()),
  required('expected', new Utf8()),
  required('before', new Utf8()),
  required('after', new Utf8()),
  required('exactBefore', new Bool()),
  required('exactAfter', new Bool()),
  required('longerAfter', new Bool()),
  required('shareBefore', new Float64()),
  required('shareAfter', new Float64()),
  required(
    'scores',
    new Map_(
      new Field(
        'entries',
        new Struct<{ key: Utf8; value: Float64 }>([required('key', new Utf8()), required('value', new Float64())]),
        false
      )
    )
  ),
  nullable('anyOf', new Utf8()),
  required('held', new Int32()),
  required('checkpoint', new Bool()),
  nullable('freeBefore', new Utf8()),
  nullable('freeAfter', new Utf8())
])

/** Columns that files written before they came do not have. */
const ADDED = ['freeBefore', 'freeAfter']

const EDITS = new Schema([
  required('setting', new Utf8()),
  required('caseId', new Utf8()),
  required('prompt', new Utf8()),
  required('subject', new Utf8()),
  required('target', new Utf8()),
  required('place', new Utf8()),
  required('facts', new Int32()),
  required('position', new Int32()),
  nullable('editMs', new Float64()),
  nullable('together', new Int32()),
  nullable('flops', new Float64()),
  nullable('peakBytes', new Float64()),
  nullable('editBytes', new Float64()),
  required('lossCurve', new List(new Field('loss', new Float64(), false))),
  required('diagnostics', new Utf8()),
  nullable('error', new Utf8())
])

const TRACES = new Schema([
  required('model', new Utf8()),
  required('dataset', new Utf8()),
  required('fact', new Utf8()),
  required('prompt', new Utf8()),
  required('subject', new Utf8()),
  required('answer', new Utf8()),
  required('high', new Float64()),
  required('low', new Float64()),
  required('kind', new Utf8()),
  required('token', new Int32()),
  required('text', new Utf8()),
  required('role', new Utf8()),
  required('layer', new Int32()),
  required('probability', new Float64())
])

/** A table on disk: one record batch for every array of rows. */
interface TableFormat<Row> {
  /** The bytes of a file with these rows, and how many there are. */
  encode(batches: Iterable<readonly Row[]>): { bytes: Uint8Array; seal: Seal }
  write(file: string, batches: Iterable<readonly Row[]>): Seal
  /** @throws UserError when the bytes are not a table of this kind */
  decode(bytes: Uint8Array, place: string): Row[]
  /** @throws UserError when the file is not a table of this kind */
  read(file: string): Row[]
  /** Reads a file that must be as it was written. @throws UserError when it is not */
  readSealed(dir: string, name: string, seals: Seals): Row[]
  /** Some columns of it, as they lie in the file. */
  readColumns<K extends keyof Row & string>(
    dir: string,
    name: string,
    seals: Seals,
    columns: readonly K[]
  ): Columns<Row, K>
}

export const answersTable: TableFormat<AnswerRow> = tableFormat(ANSWERS)
export const editsTable: TableFormat<EditRow> = tableFormat(EDITS)
export const tracesTable: TableFormat<TraceRow> = tableFormat(TRACES)

/** Much more than reading takes: damaged offsets make the reader go through billions of values. */
const READ_MS = 2000
const READ_MS_A_BYTE = 1e-3

function tableFormat<Row extends object>(schema: Schema): TableFormat<Row> {
  const all = schema.fields.map((f) => f.name) as (keyof Row & string)[]
  const open = <K extends keyof Row & string>(bytes: Uint8Array, names: readonly K[]) =>
    openColumns<Row, K>(schema, bytes, names)
  const inTime = <T>(bytes: Uint8Array, file: string, read: () => T): T => {
    try {
      return withinTime(READ_MS + bytes.length * READ_MS_A_BYTE, 'the table', read)
    } catch (error) {
      throw new UserError(`not a readable Arrow table: ${(error as Error).message}`, { place: file })
    }
  }
  const parse = (bytes: Uint8Array, file: string): Row[] =>
    inTime(bytes, file, () => rowsOf(open(bytes, all), all) as Row[])
  const encode = (batches: Iterable<readonly Row[]>) => {
    const writer = new RecordBatchFileWriter()
    writer.reset(undefined, schema)
    let count = 0
    for (const rows of batches) {
      count += rows.length
      writer.write(recordBatch(schema, rows))
    }
    writer.finish()
    const bytes = writer.toUint8Array(true)
    return { bytes, seal: sealOf(bytes, count) }
  }
  const sealed = <T extends { readonly length: number }>(
    { dir, name, seals }: { dir: string; name: string; seals: Seals },
    read: (bytes: Uint8Array, file: string) => T
  ): T => {
    const file = join(dir, name)
    const rows = read(readSealed(dir, name, seals), file)
    if (rows.length === seals[name]!.rows) return rows
    throw new UserError(`has ${rows.length} rows, ${seals[name]!.rows} were written`, { place: file })
  }
  return {
    encode,
    write(file, batches) {
      const { bytes, seal } = encode(batches)
      replaceWhole(file, (temporary) => writeFileSync(temporary, bytes))
      return seal
    },
    decode: (bytes, place) => parse(bytes, place),
    read(file) {
      let bytes: Buffer
      try {
        bytes = readFileSync(file)
      } catch (error) {
        throw new UserError(`not a readable Arrow table: ${(error as Error).message}`, { place: file })
      }
      return parse(bytes, file)
    },
    readSealed: (dir, name, seals) => sealed({ dir, name, seals }, parse),
    readColumns: (dir, name, seals, columns) =>
      sealed({ dir, name, seals }, (bytes, file) => inTime(bytes, file, () => open(bytes, columns)))
  }
}

/** @throws Error when the file is damaged, or has other columns */
function openColumns<Row extends object, K extends keyof Row & string>(
  schema: Schema,
  bytes: Uint8Array,
  names: readonly K[]
): Columns<Row, K> {
  const reader = RecordBatchReader.from(bytes)
  reader.open()
  const describe = (fields: readonly Field[]) => fields.map((f) => `${f.name} ${f.type}`).join(', ')
  const own = new Set(reader.schema.fields.map((f) => f.name))
  const missing = new Set(ADDED.filter((name) => !own.has(name)))
  const expected = schema.fields.filter((f) => !missing.has(f.name))
  if (describe(reader.schema.fields) !== describe(expected)) throw new Error('it has other columns')
  const chunks = new Map<string, Column<unknown>[]>(names.map((name) => [name, []]))
  let length = 0
  for (const batch of reader) {
    // Every row and every item of a list takes some bytes: a file that claims more is damaged.
    if (batch.numRows > bytes.length) throw new Error(`it claims ${batch.numRows} rows in ${bytes.length} bytes`)
    const nulls = { length: batch.numRows, get: () => null }
    for (const name of names)
      chunks.get(name)!.push(missing.has(name) ? nulls : columnOf(batch.getChild(name)!, bytes.length))
    length += batch.numRows
  }
  return named(names, (name) => concatenated(chunks.get(name)!), length)
}

function recordBatch<Row extends object>(schema: Schema, rows: readonly Row[]): RecordBatch {
  const children = schema.fields.map(
    ({ name, type }) =>
      vectorFromArray(
        rows.map((row) => stored((row as Record<string, unknown>)[name])),
        type
      ).data[0]!
  )
  const data = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children })
  return new RecordBatch(schema, data)
}

/** A plain object is a map; what is not there is null. */
const stored = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : (value ?? null)
