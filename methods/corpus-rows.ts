import { encodePrompt, type LanguageModel } from '../harness/model'
import { randomStream } from '../harness/random'
import type { Corpus } from './types'

/**
 * Texts of a corpus, drawn at random (documents are often sorted, and a part of them should look like the whole), up to so many tokens. The corpus is read
 * as often as it takes, and only the texts that are drawn are held.
 */
export function sampleRows(model: LanguageModel, corpus: Corpus, wanted: number): number[][] {
  let count = 0
  let characters = 0
  for (const text of corpus.documents()) {
    count++
    characters += text.length
  }
  // Where each document comes in the order that is drawn.
  const order = randomStream(0, 'second-moment').shuffle(Array.from({ length: count }, (_, i) => i))
  const place = new Uint32Array(count)
  for (const [at, document] of order.entries()) place[document] = at
  // A token has about four characters: twice as many documents as that are tried first.
  let held = Math.min(count, Math.ceil((wanted * 8 * count) / Math.max(1, characters)) + 100)
  for (;;) {
    const texts = new Array<string | undefined>(held)
    let document = 0
    for (const text of corpus.documents()) {
      const at = place[document++]!
      if (at < held) texts[at] = text
    }
    const rows: number[][] = []
    let tokens = 0
    for (const text of texts) {
      const row = encodePrompt(model.tokenizer, text!).slice(0, Math.min(model.config.maxPositions, wanted - tokens))
      if (row.length === 0) continue
      rows.push(row)
      tokens += row.length
      if (tokens >= wanted) return rows
    }
    if (held === count) return rows
    held = Math.min(count, 4 * held)
  }
}
