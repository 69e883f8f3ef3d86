import { createHash } from 'node:crypto'
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { asJsonLines, isTable } from '../../datasets/tables'
import { corpusText, generateWorld, WORLD_VERSION } from '../../datasets/world'
import type { Corpus } from '../../methods/types'
import { UserError } from '../errors'
import type { CorpusSource } from './tasks'

/**
 * Names a corpus by its content: a file with a document a line, JSON Lines or a table whose records have a `text`, or the text the embedded models were
 * trained on. The rows of a table are kept in the cache, for whoever opens it.
 * @throws UserError when there is no such file
 */
export async function describeCorpus(source: CorpusSource['source'], cache: string): Promise<CorpusSource> {
  if (source === 'world') return { source, id: `world-${WORLD_VERSION}` }
  const { file } = source
  if (!existsSync(file)) throw new UserError('no such corpus file', { place: file })
  if (!statSync(file).isFile()) throw new UserError('a corpus is a file, a document a line', { place: file })
  const id = contentOf(file)
  if (!isTable(file)) return { source, id }
  const rows = join(cache, 'corpora', `${id}.jsonl`)
  if (!existsSync(rows)) {
    const made = await asJsonLines(file)
    try {
      mkdirSync(dirname(rows), { recursive: true })
      const unfinished = `${rows}.${process.pid}`
      copyFileSync(made.file, unfinished)
      renameSync(unfinished, rows)
    } finally {
      made.remove()
    }
  }
  return { source, id, rows }
}

/** Opens a corpus. @throws UserError when its content is not what the run began with */
export function openCorpus({ source, id, rows }: CorpusSource): Corpus {
  if (source === 'world') return { id, documents: () => corpusText(generateWorld({ seed: 0 })) }
  const { file } = source
  if (!existsSync(file) || contentOf(file) !== id)
    throw new UserError('the corpus changed during the run', { place: file, hint: 'start the run anew' })
  if (rows === undefined && extname(file).toLowerCase() !== '.jsonl')
    return { id, documents: () => documentsOf(file, (line) => line) }
  return { id, documents: () => documentsOf(rows ?? file, (line, n) => textOf(line, `${file}:${n}`)) }
}

function contentOf(file: string): string {
  const hash = createHash('sha256')
  for (const piece of pieces(file)) hash.update(piece)
  return hash.digest('hex')
}

function* documentsOf(file: string, read: (line: string, n: number) => string): Generator<string> {
  let n = 0
  for (const line of lines(file)) {
    n++
    if (line.trim() === '') continue
    const text = read(line, n)
    if (text.trim() !== '') yield text
  }
}

function textOf(line: string, place: string): string {
  const record = recordOf(line, place)
  const text = typeof record === 'object' && record !== null && 'text' in record ? record.text : undefined
  if (typeof text !== 'string')
    throw new UserError("a record of a corpus has a string 'text'", { place, hint: 'rename the column that holds it' })
  return text
}

function recordOf(line: string, place: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new UserError('not JSON', { place, hint: 'a corpus named .jsonl has a record a line' })
  }
}

function* lines(file: string): Generator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for (const piece of pieces(file)) {
    const parts = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = parts.pop()!
    yield* parts
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}

function* pieces(file: string): Generator<Buffer> {
  const fd = openSync(file, 'r')
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(1 << 20)
      const got = readSync(fd, buffer)
      if (got === 0) return
      yield buffer.subarray(0, got)
    }
  } finally {
    closeSync(fd)
  }
}
