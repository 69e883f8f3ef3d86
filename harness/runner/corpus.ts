import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { corpusText, generateWorld, WORLD_VERSION } from '../../datasets/world'
import type { Corpus } from '../../methods/types'
import { UserError } from '../errors'
import type { CorpusSource } from './tasks'

/** Names a corpus by its content: a file with a document a line, or the text the embedded models were trained on. */
export function describeCorpus(source: CorpusSource['source']): CorpusSource {
  if (source === 'world') return { source, id: `world-${WORLD_VERSION}` }
  const { file } = source
  if (!existsSync(file)) throw new UserError('no such corpus file', { place: file })
  if (!statSync(file).isFile()) throw new UserError('a corpus is a text file, a document a line', { place: file })
  const hash = createHash('sha256')
  for (const piece of pieces(file)) hash.update(piece)
  return { source, id: hash.digest('hex') }
}

/** Opens a corpus. @throws UserError when its content is not what the run began with */
export function openCorpus({ source, id }: CorpusSource): Corpus {
  if (source === 'world') return { id, documents: () => corpusText(generateWorld({ seed: 0 })) }
  if (describeCorpus(source).id !== id)
    throw new UserError('the corpus changed during the run', { place: source.file, hint: 'start the run anew' })
  return { id, documents: () => lines(source.file) }
}

function* lines(file: string): Generator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for (const piece of pieces(file)) {
    const parts = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = parts.pop()!
    yield* parts.filter((line) => line.trim() !== '')
  }
  rest += decoder.decode()
  if (rest.trim() !== '') yield rest
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
