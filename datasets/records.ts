import { existsSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { z } from 'zod'
import { findSubject } from '../harness/edit'
import { UserError } from '../harness/errors'
import { type JsonElement, jsonElements } from './json-stream'
import { type EditCase, type LayoutKeys, type LoadOptions, listsOf } from './types'

/** A case without its place, which whoever reads the file knows. */
export type PlacelessCase = Omit<EditCase, 'place'>

/** One official layout of a dataset's records. */
export interface Layout<Schema extends z.ZodType = z.ZodType> extends LayoutKeys {
  readonly schema: Schema
  /**
   * Most records are a case; some are several.
   * @param index of the record in its file, from 0
   */
  readonly toCase: (record: z.output<Schema>, index: number) => PlacelessCase | Unusable | readonly PlacelessCase[]
}

/** Keeps the schema's type between `schema` and `toCase`. */
export const layout = <Schema extends z.ZodType>(of: Layout<Schema>): Layout => of as unknown as Layout

/** Why a record is no case: it is malformed, or it is well-formed and changes nothing. */
export class Unusable {
  constructor(
    readonly kind: 'malformed' | 'no edit',
    readonly reason: string
  ) {}
}

/** Where a record's subject stands in its prompt. */
export const placeSubject = (prompt: string, subject: string): number | Unusable =>
  findSubject(prompt, subject) ?? new Unusable('malformed', `the subject '${subject}' is not in the prompt '${prompt}'`)

/** A case of the embedded world, whose records are all usable. */
export function inWorld(made: PlacelessCase | Unusable, index: number): EditCase {
  if (made instanceof Unusable) throw new Error(`record ${index} of the embedded world is no case: ${made.reason}`)
  return { ...made, place: `embedded world, record ${index + 1}` }
}

/** A file whose records are of none of a dataset's layouts. */
export class UnknownLayout extends UserError {
  constructor(
    file: string,
    line: number,
    readonly keys: readonly string[],
    layouts: readonly LayoutKeys[],
    /** Records lie under keys instead of in a list. */
    readonly nested: boolean
  ) {
    const found = keys.length === 0 ? 'records without keys' : `records with the keys ${keys.slice(0, 12).join(', ')}`
    const read = layouts.map((l) => `${l.name} (${l.keys.join(', ')})`).join('; ')
    super(nested ? 'the file holds one object, expected is a list of records' : `the file holds ${found}`, {
      place: `${file}:${line}`,
      hint: `layouts that are read: ${read}`
    })
  }
}

/**
 * Reads the records of an official file, a JSON array or JSON Lines, validates each by the layout its keys show, and turns it into a case.
 * @throws UserError naming file and line when the file cannot be read, or for a malformed record when those are fatal
 */
export function* loadRecords(file: string, layouts: readonly Layout[], options: LoadOptions): Generator<EditCase> {
  if (!existsSync(file)) {
    throw new UserError('no such data file', {
      place: file,
      hint: "'source' names a file in the dataset's official format, relative to the config; leave it out for the embedded world"
    })
  }
  if (statSync(file).isDirectory()) throw new UserError('this is a folder, a file is needed', { place: file })
  const most = options.limit ?? Number.POSITIVE_INFINITY
  let taken = 0
  let record = 0
  let known = false
  let unknown: UnknownLayout | undefined
  for (const element of jsonElements(file, { ...options, lists: listsOf(layouts) })) {
    if (taken >= most) return
    record++
    const { line } = element
    const value = parseElement(file, element, record)
    const own = layouts.find((l) => matches(value, l, element.list))
    known ||= own !== undefined
    if (own === undefined) unknown ??= new UnknownLayout(file, line, keysOf(value), layouts, nests(value, layouts))
    // A file that begins with another layout is another file; later on it is one record that is wrong.
    if (record === 1 && own === undefined && options.onBadRecord === 'fail') throw unknown!
    const result = parseRecord(own ?? layouts[0]!, value, record - 1)
    if (!(result instanceof Unusable)) {
      for (const made of 'length' in result ? result : [result]) {
        if (taken >= most) return
        taken++
        yield { ...made, place: `${basename(file)}:${line}` }
      }
      continue
    }
    if (options.onBadRecord === 'fail' && result.kind === 'malformed') {
      throw new UserError(`record ${record} is malformed: ${result.reason}`, {
        place: `${file}:${line}`,
        hint: "mend the file, or leave such records out with 'on_bad_record: skip'"
      })
    }
    options.onSkip?.({ file, record, line, ...result })
  }
  if (!known && unknown !== undefined) throw unknown
}

export const matches = (value: unknown, { keys, without = [], lists }: LayoutKeys, list?: string): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (lists === undefined || (list !== undefined && lists.includes(list))) &&
  keys.every((key) => key in value) &&
  !without.some((key) => key in value)

const keysOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []

/** Whether a value holds records under keys of its own. */
const nests = (value: unknown, layouts: readonly LayoutKeys[]): boolean =>
  keysOf(value).length > 0 && Object.values(value as object).some((inner) => layouts.some((l) => matches(inner, l)))

/** An element that is no JSON is a malformed record, but for the first: then the file is of another format. */
function parseElement(file: string, { text, line }: JsonElement, record: number): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const { message } = error as Error
    if (record > 1) return new Unusable('malformed', `not JSON: ${message}`)
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? 0)
    const lines = text.slice(0, position).split('\n').length - 1
    const object = text.startsWith('{') && !text.endsWith('}')
    throw new UserError(object ? 'one JSON object over several lines' : `not JSON: ${message}`, {
      place: `${file}:${line + lines}`,
      hint: 'expected is a JSON array of records, or a record a line (JSON Lines)'
    })
  }
}

function parseRecord(
  { schema, toCase }: Layout,
  value: unknown,
  index: number
): PlacelessCase | Unusable | readonly PlacelessCase[] {
  if (value instanceof Unusable) return value
  const parsed = schema.safeParse(value)
  if (parsed.success) return toCase(parsed.data, index)
  const [issue] = parsed.error.issues
  const key = issue!.path.map(String).join('.')
  return new Unusable('malformed', `${key === '' ? '' : `'${key}': `}${issue!.message}`)
}

/** What a dataset says that the embedded world does not have. */
export const needsFile = (
  { name, title }: { readonly name: string; readonly title: string },
  where: string
): UserError =>
  new UserError(`the embedded world has no ${title}`, { place: name, hint: `'source' names its file, from ${where}` })

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
