import { randomStream } from '../random'
import type { Recipe } from './recipes'

/** Documents as token ids, one after another, for all threads of a run. */
export interface TokenizedDocuments {
  /** In shared memory. */
  readonly tokens: Int32Array
  /** Where each document starts, and where the last one ends. */
  readonly starts: Int32Array
  /** Documents that come first in a curriculum, by index. */
  readonly early: Int32Array
}

export function shareDocuments(documents: readonly (readonly number[])[], early: readonly number[]) {
  const shared = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4))
  const starts = shared(documents.length + 1)
  for (const [i, document] of documents.entries()) starts[i + 1] = starts[i]! + document.length
  const tokens = shared(starts[documents.length]!)
  for (const [i, document] of documents.entries()) tokens.set(document, starts[i]!)
  const first = shared(early.length)
  first.set(early)
  return { tokens, starts, early: first } satisfies TokenizedDocuments
}

/** The documents as one endless stream of tokens, shuffled anew in every epoch; those of the curriculum alone come first. */
export class TrainingData {
  readonly #recipe: Recipe
  readonly #documents: TokenizedDocuments
  readonly #epochs = new Map<string, Int32Array>()

  constructor(recipe: Recipe, documents: TokenizedDocuments) {
    this.#recipe = recipe
    this.#documents = documents
  }

  /** Some rows of the batch of a step: a function of the step alone, so that a resumed run sees what an undisturbed one sees. */
  batch(step: number, firstRow: number, rows: number): { inputs: number[][]; labels: Int32Array } {
    const { batch, seq, curriculum } = this.#recipe
    const early = this.#documents.early.length === 0 ? 0 : Math.round(curriculum.tokens / (batch * seq))
    const [stage, within] = step < early ? (['early', step] as const) : (['all', step - early] as const)
    const tokens = this.#slice(stage, (within * batch + firstRow) * seq, rows * seq + 1)
    return {
      inputs: Array.from({ length: rows }, (_, row) => [...tokens.subarray(row * seq, (row + 1) * seq)]),
      labels: tokens.slice(1)
    }
  }

  #slice(stage: 'early' | 'all', start: number, length: number): Int32Array {
    const out = new Int32Array(length)
    const perEpoch = this.#epoch(stage, 0).length
    for (let done = 0; done < length; ) {
      const epoch = Math.floor((start + done) / perEpoch)
      const at = (start + done) % perEpoch
      const piece = this.#epoch(stage, epoch).subarray(at, at + length - done)
      out.set(piece, done)
      done += piece.length
    }
    return out
  }

  #epoch(stage: 'early' | 'all', epoch: number): Int32Array {
    const key = `${stage} ${epoch}`
    const known = this.#epochs.get(key)
    if (known !== undefined) return known
    const { tokens, starts, early } = this.#documents
    const documents = stage === 'early' ? early : Int32Array.from({ length: starts.length - 1 }, (_, i) => i)
    const order = randomStream(this.#recipe.seed, `pretrain/${stage}`, epoch).shuffle([...documents])
    const shuffled = new Int32Array(order.reduce((sum, i) => sum + starts[i + 1]! - starts[i]!, 0))
    let at = 0
    for (const i of order) {
      shuffled.set(tokens.subarray(starts[i], starts[i + 1]), at)
      at += starts[i + 1]! - starts[i]!
    }
    this.#epochs.delete(`${stage} ${epoch - 2}`)
    this.#epochs.set(key, shuffled)
    return shuffled
  }
}
