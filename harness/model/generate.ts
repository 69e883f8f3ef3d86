import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../errors'
import { batchesByLength, padBatch } from './batching'
import { disposeCache } from './cache'
import type { GenerateOptions, KeyValueCache, LanguageModel, Sampling } from './types'

/** What a causal model goes on from, as ids. */
export interface GeneratedRow {
  readonly prompt: readonly number[]
  readonly said: readonly number[]
}

/** Picks the next token of every row: logits `[rows, vocab]` of some items -> ids. */
type Choose = (logits: tf.Tensor2D, items: readonly number[]) => readonly number[]

/** Continuations of the prompts, greedy or drawn; without the end-of-text token, unless they go on past it. */
export function continued(model: LanguageModel, rows: readonly GeneratedRow[], options: GenerateOptions): number[][] {
  return generate(model, rows, options, options.sample === undefined ? likeliest : drawn(options.sample))
}

const likeliest: Choose = (logits) => [...tf.tidy(() => logits.argMax(1).dataSync())]

/** Tokens drawn from the `topK` likeliest, renormalised. */
const drawn =
  ({ topK, random }: Sampling): Choose =>
  (logits, items) => {
    const { values, indices } = tf.tidy(() => tf.topk(tf.softmax(logits), topK))
    const [shares, ids] = [values.arraySync(), indices.arraySync()] as unknown as [number[][], number[][]]
    tf.dispose([values, indices])
    return shares.map((row, i) => {
      let left = random(items[i]!).uniform() * row.reduce((a, b) => a + b, 0)
      const at = row.findIndex((p) => {
        left -= p
        return left < 0
      })
      return ids[i]![at < 0 ? row.length - 1 : at]!
    })
  }

function generate(
  model: LanguageModel,
  items: readonly GeneratedRow[],
  options: GenerateOptions,
  choose: Choose
): number[][] {
  const out: number[][] = items.map(() => [])
  const texts = items.map(({ prompt, said }) => [...prompt, ...said])
  // Rows of one length need no padding, so keys and values simply grow.
  const byLength = new Map<number, number[]>()
  for (const [i, { length }] of texts.entries()) {
    const rows = byLength.get(length)
    if (rows === undefined) byLength.set(length, [i])
    else rows.push(i)
  }
  for (const rows of byLength.values()) {
    const lengths = rows.map((i) => texts[i]!.length + options.maxNewTokens)
    for (const batch of batchesByLength(lengths)) {
      const chosen = batch.map((i) => rows[i]!)
      generateBatch(model, chosen, items, texts, options, choose, out)
    }
  }
  return out
}

function generateBatch(
  model: LanguageModel,
  rows: readonly number[],
  items: readonly GeneratedRow[],
  texts: readonly (readonly number[])[],
  { maxNewTokens, endsWith, changesOf, pastEnd = false }: GenerateOptions,
  choose: Choose,
  out: number[][]
): void {
  const done = new Set<number>()
  const all = Int32Array.from(rows, (_, i) => i)
  const changes = changesOf?.(rows)
  const prompts = rows.map((i) => items[i]!.prompt.length)
  let next = rows.map((i) => texts[i]!)
  let past: KeyValueCache | undefined
  // The last token that fits need not be read again.
  const most = Math.min(maxNewTokens, model.config.maxPositions - next[0]!.length + 1)
  for (let step = 0; step < most && done.size < rows.length; step++) {
    const batch = { ...padBatch(next), prompts }
    const { hidden, logits, cache } = model.forward(batch, {
      logitsAt: { rows: all, positions: new Int32Array(rows.length).fill(batch.seq - 1) },
      keepCache: true,
      ...(changes === undefined ? {} : { changes }),
      ...(past === undefined ? {} : { past })
    })
    const sums = tf.tidy(() => logits!.sum(1).dataSync())
    const chosen = choose(logits!, rows)
    tf.dispose([hidden, logits!])
    disposeCache(past)
    past = cache
    for (const [i, id] of chosen.entries()) {
      if (done.has(i)) continue
      if (!Number.isFinite(sums[i])) {
        disposeCache(past)
        throw notFinite(model.name, rows[i]!)
      }
      const ends = id === model.tokenizer.endOfText && !pastEnd
      if (!ends) out[rows[i]!]!.push(id)
      if (ends || endsWith?.(id) === true) done.add(i)
    }
    next = chosen.map((id) => [id])
  }
  disposeCache(past)
}

/** A model's logits are NaN or infinite: its answers would mean nothing. */
export class NotFinite extends UserError {
  constructor(
    what: string,
    /** Which of the items asked for. */
    readonly item?: number
  ) {
    super(`the logits of ${what} are not finite numbers (NaN or infinite)`, {
      hint: 'its values overflow; nothing it says means anything'
    })
  }
}

export const notFinite = (model: string, item?: number): NotFinite => new NotFinite(`the model ${model}`, item)
