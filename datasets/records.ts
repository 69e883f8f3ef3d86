import { existsSync, readFileSync } from 'node:fs'
import type { z } from 'zod'
import { UserError } from '../harness/errors'
import type { LoadOptions } from './types'

/** A record of a file with where it stands. */
interface FileRecord {
  readonly value: unknown
  /** From 1. */
  readonly record: number
  readonly line: () => number
}

/**
 * Reads the records of an official file, a JSON array or JSON Lines, validates each and turns it into a case.
 * @param toCase returns the case, or the reason why the record cannot be used
 * @throws UserError naming file and line when the file cannot be read, or for a malformed record when those are fatal
 */
export function* loadRecords<Schema extends z.ZodType, Case>(
  file: string,
  schema: Schema,
  options: LoadOptions,
  toCase: (record: z.output<Schema>, index: number) => Case | string
): Generator<Case> {
  let taken = 0
  for (const { value, record, line } of readRecords(file)) {
    if (taken >= (options.limit ?? Number.POSITIVE_INFINITY)) return
    const result = parseRecord(schema, value, record - 1, toCase)
    if (typeof result !== 'string') {
      taken++
      yield result
      continue
    }
    if (options.onBadRecord === 'fail') {
      throw new UserError(`record ${record} is malformed: ${result}`, {
        place: `${file}:${line()}`,
        hint: "mend the file, or leave such records out with 'on_bad_record: skip'"
      })
    }
    options.onSkip?.({ file, record, line: line(), reason: result })
  }
}

function parseRecord<Schema extends z.ZodType, Case>(
  schema: Schema,
  value: unknown,
  index: number,
  toCase: (record: z.output<Schema>, index: number) => Case | string
): Case | string {
  const parsed = schema.safeParse(value)
  if (parsed.success) return toCase(parsed.data, index)
  const [issue] = parsed.error.issues
  const key = issue!.path.map(String).join('.')
  return `${key === '' ? '' : `'${key}': `}${issue!.message}`
}

function readRecords(file: string): Iterable<FileRecord> {
  if (!existsSync(file)) {
    throw new UserError('no such data file', {
      place: file,
      hint: "'source' names a file in the dataset's official format, relative to the config; leave it out for the embedded world"
    })
  }
  const text = readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  if (text.trim() === '') throw new UserError('the file is empty', { place: file })
  return text.trimStart().startsWith('[') ? arrayRecords(file, text) : lineRecords(file, text)
}

function arrayRecords(file: string, text: string): FileRecord[] {
  let values: unknown[]
  try {
    values = JSON.parse(text) as unknown[]
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1]
    const place = position === undefined ? file : `${file}:${lineAt(text, Number(position))}`
    throw new UserError(`not JSON: ${(error as Error).message}`, {
      place,
      hint: 'expected is a JSON array of records, or a record a line (JSON Lines)'
    })
  }
  return values.map((value, i) => ({ value, record: i + 1, line: () => lineAt(text, startOfElement(text, i)) }))
}

function* lineRecords(file: string, text: string): Generator<FileRecord> {
  let record = 0
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    record++
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch (error) {
      // A file that does not even begin as JSON Lines is of another format.
      if (record === 1) {
        throw new UserError(`not JSON: ${(error as Error).message}`, {
          place: `${file}:${i + 1}`,
          hint: 'expected is a JSON array of records, or a record a line (JSON Lines)'
        })
      }
      value = undefined
    }
    yield { value, record, line: () => i + 1 }
  }
}

/** Line of a character, from 1. */
const lineAt = (text: string, offset: number): number => text.slice(0, offset).split('\n').length

/** Where element `index` of a valid JSON array starts: counted by brackets, outside of strings. */
function startOfElement(text: string, index: number): number {
  let depth = 0
  let element = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === '"') {
      if (depth === 1 && element === index) return i
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++
    } else if (c === '[' || c === '{') {
      if (depth === 1 && element === index) return i
      depth++
    } else if (c === ']' || c === '}') depth--
    else if (c === ',' && depth === 1) element++
    else if (depth === 1 && element === index && !/\s/.test(c)) return i
  }
  return 0
}

/** Parses a dataset's own switches. @throws UserError that names the wrong one */
export function parseOptions<Schema extends z.ZodType>(
  dataset: string,
  schema: Schema,
  options: unknown
): z.output<Schema> {
  const parsed = schema.safeParse(options ?? {})
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new UserError(`${issue!.path.map(String).join('.') || 'options'}: ${issue!.message}`, {
    place: `options of ${dataset}`
  })
}
