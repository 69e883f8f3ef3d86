import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, extname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { TextDecoderStream } from 'node:stream/web'
import { NODE_STREAM_INPUT, type ParseResult, parse } from 'papaparse'
import { UserError } from '../harness/errors'
import { importPackage } from '../harness/import'

/*
 * Tables as data files: CSV and TSV with a header (papaparse), and Parquet (hyparquet). Their rows become JSON Lines in a folder that is removed when
 * they are read, so that whoever reads records reads these; a line there is the row's line in the table.
 */

const DELIMITERS: Readonly<Record<string, string>> = { '.csv': ',', '.tsv': '\t' }

export const isTable = (source: string): boolean =>
  ['.parquet', ...Object.keys(DELIMITERS)].includes(extname(source).toLowerCase())

export interface JsonLines {
  readonly file: string
  remove(): void
}

/**
 * Reads a data file by whatever reads records; a table is turned first. Messages name the file itself.
 * @throws UserError when it cannot be read
 */
export async function* fromTable<T>(source: string, read: (file: string) => AsyncIterable<T>): AsyncGenerator<T> {
  if (!isTable(source)) {
    yield* read(source)
    return
  }
  const { file, remove } = await asJsonLines(source)
  try {
    yield* read(file)
  } catch (error) {
    if (error instanceof UserError && error.place?.startsWith(file) === true)
      Object.assign(error, { place: source + error.place.slice(file.length) })
    throw error
  } finally {
    remove()
  }
}

/** The rows of a table as JSON Lines. @throws UserError when it is none */
export async function asJsonLines(source: string): Promise<JsonLines> {
  if (!existsSync(source) || statSync(source).isDirectory())
    throw new UserError('no such data file', { place: source, hint: "'source' names a file, relative to the config" })
  const dir = mkdtempSync(join(tmpdir(), 'bench-table-'))
  const remove = () => rmSync(dir, { recursive: true, force: true })
  // The same name, which messages give.
  const file = join(dir, basename(source))
  try {
    const delimiter = DELIMITERS[extname(source).toLowerCase()]
    const rows = delimiter === undefined ? parquetLines(source) : csvLines(source, delimiter)
    await pipeline(Readable.from(rows), createWriteStream(file))
    return { file, remove }
  } catch (error) {
    remove()
    throw error
  }
}

/** The header is the first line; fields may hold line breaks. */
async function* csvLines(source: string, delimiter: string): AsyncGenerator<string> {
  const text = Readable.toWeb(createReadStream(source)).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))
  const parser = parse(NODE_STREAM_INPUT, { delimiter, header: false, skipEmptyLines: false })
  let names: string[] | undefined
  let line = 1
  const notUtf8 = (error: unknown) =>
    (error as NodeJS.ErrnoException).code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
      ? new UserError('not UTF-8', {
          place: source,
          hint: 'save the file as UTF-8, for example: iconv -f LATIN1 -t UTF-8 FILE'
        })
      : error
  const fed = pipeline(Readable.fromWeb(text as never), parser).catch(
    (error: unknown) => void parser.destroy(error as Error)
  )
  try {
    for await (const fields of parser as AsyncIterable<ParseResult<string>['data']>) {
      const lines = fields.reduce((sum, field) => sum + field.split('\n').length - 1, 1)
      if (names === undefined) {
        names = headerOf(fields, source)
        yield '\n'.repeat(lines)
      } else if (fields.length === 1 && fields[0] === '') yield '\n'.repeat(lines)
      else {
        if (fields.length !== names.length)
          throw new UserError(`${fields.length} fields, the header has ${names.length}`, {
            place: `${source}:${line}`,
            hint: 'put quotes around fields that hold the delimiter, a quote or a line break'
          })
        yield JSON.stringify(Object.fromEntries(names.map((name, i) => [name, fields[i]]))) + '\n'.repeat(lines)
      }
      line += lines
    }
  } catch (error) {
    throw notUtf8(error)
  }
  await fed
}

function headerOf(fields: readonly string[], place: string): string[] {
  const names = fields.map((name) => name.replace(/^\uFEFF/, '').trim())
  const twice = names.find((name, i) => name === '' || names.indexOf(name) < i)
  if (twice === undefined) return names
  throw new UserError(twice === '' ? 'a column of the header has no name' : `the header names '${twice}' twice`, {
    place: `${place}:1`,
    hint: 'the first line must name every column'
  })
}

/** Rows that are turned at a time. */
const ROWS = 4096

async function* parquetLines(source: string): AsyncGenerator<string> {
  const bad = (error: unknown) =>
    new UserError(`not a readable Parquet file: ${(error as Error).message}`, { place: source })
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } =
    await importPackage<typeof import('hyparquet')>('hyparquet')
  let file: Awaited<ReturnType<typeof asyncBufferFromFile>>
  let rows: number
  try {
    file = await asyncBufferFromFile(source)
    rows = Number((await parquetMetadataAsync(file)).num_rows)
  } catch (error) {
    throw bad(error)
  }
  for (let rowStart = 0; rowStart < rows; rowStart += ROWS) {
    const rowEnd = Math.min(rows, rowStart + ROWS)
    const some = await parquetReadObjects({ file, rowStart, rowEnd }).catch((error: unknown) => {
      throw bad(error)
    })
    for (const row of some) yield `${JSON.stringify(row, plain)}\n`
  }
}

/** What JSON has no word for: large integers, bytes. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value
}
