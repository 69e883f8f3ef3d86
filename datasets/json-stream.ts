import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { UserError } from '../harness/errors'

/** One element of a JSON array, or one line of JSON Lines, with the line it starts at. */
export interface JsonElement {
  readonly text: string
  /** From 1. */
  readonly line: number
  /** The list it stands in, of a file that is an object of lists. */
  readonly list?: string
}

export interface JsonStreamOptions {
  /** A file may be an object of lists, the first of them one of these names; lists of other names are passed over. */
  readonly lists?: readonly string[]
  /** Bytes read so far, and in all. */
  readonly onProgress?: (bytes: number, total: number) => void
}

const CHUNK = 1 << 20
const [NEWLINE, QUOTE, COMMA, COLON, BACKSLASH] = [0x0a, 0x22, 0x2c, 0x3a, 0x5c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]
const isBlank = (byte: number): boolean => byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09

/**
 * The elements of a file that holds a JSON array, a JSON value a line, or an object of lists, one after another: a file of any size, read once, a piece
 * at a time.
 * Elements are cut out by their brackets; whether each is JSON shows when it is parsed.
 * @throws UserError for a file that is empty, cut off, no UTF-8, or of neither form
 */
export function* jsonElements(
  file: string,
  { onProgress, lists = [] }: JsonStreamOptions = {}
): Generator<JsonElement> {
  const source = new Bytes(file, onProgress)
  try {
    source.skipMark()
    source.skipBlank()
    const first = source.peek()
    if (first === undefined) throw new UserError('the file is empty', { place: file })
    if (first === OPEN_ARRAY) yield* whole(source, arrayElements(source))
    else if (lists.some((name) => source.beginsWith(new RegExp(`^\\{\\s*"${name}"\\s*:\\s*\\[`))))
      yield* whole(source, listsElements(source, lists))
    else yield* lines(source)
  } finally {
    source.close()
  }
}

/** The longest of the official records have some 50 kB; WikiGen is one of columns, of 140 MB. */
const MOST_RECORD_BYTES = 256 * 2 ** 20

const FORMS = 'expected is a JSON array of records, or a record a line (JSON Lines)'

const notJson = (source: Bytes, message: string): UserError =>
  new UserError(`not JSON: ${message}`, { place: `${source.file}:${source.line}`, hint: FORMS })

function* whole(source: Bytes, elements: Iterable<JsonElement>): Generator<JsonElement> {
  yield* elements
  source.skipBlank()
  if (source.peek() !== undefined) throw notJson(source, 'something follows the end of the list')
}

/** Elements of the lists of an object. */
function* listsElements(source: Bytes, lists: readonly string[]): Generator<JsonElement> {
  source.next()
  for (;;) {
    source.skipBlank()
    const list = source.take(new ElementEnd(COLON))?.text
    source.next()
    source.skipBlank()
    if (list === undefined || !/^".*"$/s.test(list)) throw notJson(source, 'the name of a list is expected')
    const name = JSON.parse(list) as string
    if (source.peek() !== OPEN_ARRAY) source.take(new ElementEnd())
    else for (const element of arrayElements(source)) if (lists.includes(name)) yield { ...element, list: name }
    source.skipBlank()
    const after = source.next()
    if (after === CLOSE_OBJECT) return
    if (after !== COMMA) throw notJson(source, `a comma or the end of the object is expected after '${name}'`)
  }
}

function* arrayElements(source: Bytes): Generator<JsonElement> {
  const bad = (message: string) => notJson(source, message)
  source.next()
  source.skipBlank()
  let record = 0
  if (source.peek() === CLOSE_ARRAY) source.next()
  else {
    for (;;) {
      record++
      const element = source.take(new ElementEnd())
      if (element === undefined) throw bad(`the file ends in the middle of record ${record}`)
      if (element.text === '') throw bad(`record ${record} is missing`)
      yield element
      source.skipBlank()
      const after = source.next()
      if (after === CLOSE_ARRAY) break
      if (after !== COMMA) throw bad(`a comma or the end of the list is expected after record ${record}`)
      source.skipBlank()
    }
  }
}

/** Finds the end of one element, a chunk at a time. */
interface End {
  /** Line breaks so far. */
  lines: number
  /** Where in the chunk the element ends, before that byte; the chunk's length when it goes on. */
  scan(chunk: Uint8Array, from: number): number
}

/** The end of an element of an array or object: a comma or a bracket outside of it. */
class ElementEnd implements End {
  lines = 0
  readonly #separator: number
  #depth = 0
  #text = false
  #escaped = false

  constructor(separator = COMMA) {
    this.#separator = separator
  }

  scan(chunk: Uint8Array, from: number): number {
    // In variables of its own: this loop sees every byte of the file.
    let [depth, text, escaped, lines] = [this.#depth, this.#text, this.#escaped, this.lines]
    const separator = this.#separator
    let i = from
    scan: for (; i < chunk.length; i++) {
      const byte = chunk[i]!
      if (text) {
        if (escaped) escaped = false
        else if (byte === BACKSLASH) escaped = true
        else if (byte === QUOTE) text = false
        if (byte === NEWLINE) lines++
        continue
      }
      switch (byte) {
        case QUOTE:
          text = true
          break
        case OPEN_ARRAY:
        case OPEN_OBJECT:
          depth++
          break
        case CLOSE_ARRAY:
        case CLOSE_OBJECT:
          if (depth-- === 0) break scan
          break
        case separator:
          if (depth === 0) break scan
          break
        case NEWLINE:
          lines++
          break
      }
    }
    this.#depth = depth
    this.#text = text
    this.#escaped = escaped
    this.lines = lines
    return i
  }
}

class LineEnd implements End {
  lines = 0
  scan(chunk: Uint8Array, from: number): number {
    const at = chunk.indexOf(NEWLINE, from)
    return at < 0 ? chunk.length : at
  }
}

function* lines(source: Bytes): Generator<JsonElement> {
  for (;;) {
    source.skipBlank()
    if (source.peek() === undefined) return
    yield source.take(new LineEnd(), true)!
  }
}

/** The bytes of a file, a chunk at a time, with the line they are at. */
class Bytes {
  line = 1
  readonly #fd: number
  readonly #size: number
  readonly #decoder = new TextDecoder('utf-8', { fatal: true })
  readonly #onProgress: JsonStreamOptions['onProgress']
  #chunk = Buffer.alloc(0)
  #at = 0
  /** Offset in the file of the chunk's first byte. */
  #start = 0

  constructor(
    readonly file: string,
    onProgress: JsonStreamOptions['onProgress']
  ) {
    this.#fd = openSync(file, 'r')
    this.#size = statSync(file).size
    this.#onProgress = onProgress
  }

  close(): void {
    closeSync(this.#fd)
  }

  peek(): number | undefined {
    return this.#at < this.#chunk.length || this.#fill() ? this.#chunk[this.#at] : undefined
  }

  next(): number | undefined {
    const byte = this.peek()
    if (byte !== undefined) this.#at++
    if (byte === NEWLINE) this.line++
    return byte
  }

  /** Whether what comes next, of the chunk at hand, is this. */
  beginsWith(pattern: RegExp): boolean {
    return pattern.test(this.#chunk.toString('utf8', this.#at, this.#at + 1000))
  }

  /** The mark some programs put at the start of UTF-8. */
  skipMark(): void {
    if (this.peek() === 0xef && this.#chunk[1] === 0xbb && this.#chunk[2] === 0xbf) this.#at = 3
  }

  skipBlank(): void {
    for (let byte = this.peek(); byte !== undefined && isBlank(byte); byte = this.peek()) this.next()
  }

  /** The text up to a byte, which is not taken. Undefined when the file ends before, unless that is an end as well. */
  take(end: End, orEnd = false): JsonElement | undefined {
    const { line } = this
    const offset = this.#start + this.#at
    const pieces: Buffer[] = []
    for (;;) {
      const chunk = this.#chunk
      const i = end.scan(chunk, this.#at)
      pieces.push(chunk.subarray(this.#at, i))
      this.#at = i
      if (this.#start + i - offset > MOST_RECORD_BYTES)
        throw new UserError(`a record of more than ${MOST_RECORD_BYTES} bytes`, {
          place: `${this.file}:${line}`,
          hint: FORMS
        })
      if (i < chunk.length) break
      if (!this.#fill()) {
        if (orEnd) break
        return undefined
      }
    }
    this.line += end.lines
    return {
      text: this.#decode(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), offset, line).trimEnd(),
      line
    }
  }

  #decode(bytes: Buffer, offset: number, line: number): string {
    try {
      return this.#decoder.decode(bytes)
    } catch {
      const at = firstInvalid(bytes)
      const before = bytes.subarray(0, at).filter((b) => b === NEWLINE).length
      throw new UserError(
        `not UTF-8: byte ${offset + at + 1} of the file is 0x${bytes[at]!.toString(16).padStart(2, '0')}`,
        {
          place: `${this.file}:${line + before}`,
          hint: 'save the file as UTF-8, for example: iconv -f LATIN1 -t UTF-8 FILE'
        }
      )
    }
  }

  #fill(): boolean {
    this.#start += this.#chunk.length
    // A fresh buffer: pieces of the last one may still be in use.
    const chunk = Buffer.allocUnsafe(CHUNK)
    this.#chunk = chunk.subarray(0, readSync(this.#fd, chunk, 0, CHUNK, this.#start))
    this.#at = 0
    this.#onProgress?.(this.#start + this.#chunk.length, this.#size)
    return this.#chunk.length > 0
  }
}

/** Offset of the first byte that is no UTF-8. */
function firstInvalid(bytes: Buffer): number {
  // Decoding leniently and encoding again gives the same bytes up to there.
  const again = Buffer.from(bytes.toString('utf8'))
  let at = 0
  while (at < bytes.length && bytes[at] === again[at]) at++
  return Math.min(at, bytes.length - 1)
}
