import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { corpusText, generateWorld, WORLD_VERSION } from '../../datasets/world'
import type { Corpus } from '../../methods/types'
import { UserError } from '../errors'
import type { CorpusSource } from './tasks'

/** Opens a text corpus: a file with a document a line, or the text the embedded models were trained on. */
export function openCorpus(source: CorpusSource): Corpus {
  if (source === 'world')
    return { id: `world-${WORLD_VERSION}`, documents: () => corpusText(generateWorld({ seed: 0 })) }
  const { file } = source
  if (!existsSync(file)) throw new UserError('no such corpus file', { place: file })
  const content = readFileSync(file)
  return {
    id: createHash('sha256').update(content).digest('hex'),
    documents: () =>
      content
        .toString('utf8')
        .split('\n')
        .filter((line) => line.trim() !== '')
  }
}
