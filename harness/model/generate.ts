import * as tf from '@tensorflow/tfjs'
import type { Edit } from '../edit/types'
import type { Random } from '../random'
import { batchesByLength, padBatch } from './batching'
import type { KeyValueCache, LanguageModel } from './types'

export interface GenerateOptions {
  readonly maxNewTokens: number
  /** Generation of a row ends before any of these; end of text always ends it. */
  readonly stop?: ReadonlySet<number>
  /** One edit for all rows. */
  readonly edit?: Edit
  readonly budget?: number
}

/** Picks the next token of every row: logits `[rows, vocab]` -> ids. */
type Choose = (logits: tf.Tensor2D) => readonly number[]

/** Greedy continuations of the prompts, without the token that ended them. */
export function greedy(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions
): number[][] {
  return generate(model, prompts, options, (logits) => [...tf.tidy(() => logits.argMax(1).dataSync())])
}

/** Continuations drawn from the `topK` likeliest tokens, renormalised. */
export function sample(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions & { readonly topK: number; readonly random: Random }
): number[][] {
  return generate(model, prompts, options, (logits) => {
    const [values, indices] = tf.tidy(() => {
      const top = tf.topk(tf.softmax(logits), options.topK)
      return [top.values.arraySync(), top.indices.arraySync()]
    }) as unknown as [number[][], number[][]]
    return values.map((row, i) => {
      let left = options.random.uniform() * row.reduce((a, b) => a + b, 0)
      const drawn = row.findIndex((p) => {
        left -= p
        return left < 0
      })
      return indices[i]![drawn < 0 ? row.length - 1 : drawn]!
    })
  })
}

function generate(
  model: LanguageModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
  choose: Choose
): number[][] {
  const out: number[][] = prompts.map(() => [])
  // Rows of one length need no padding, so keys and values simply grow.
  const byLength = new Map<number, number[]>()
  for (const [i, { length }] of prompts.entries()) byLength.set(length, [...(byLength.get(length) ?? []), i])
  for (const rows of byLength.values()) {
    const lengths = rows.map((i) => prompts[i]!.length + options.maxNewTokens)
    for (const batch of batchesByLength(lengths, options.budget)) {
      generateBatch(
        model,
        batch.map((i) => rows[i]!),
        prompts,
        options,
        choose,
        out
      )
    }
  }
  return out
}

function generateBatch(
  model: LanguageModel,
  rows: readonly number[],
  prompts: readonly (readonly number[])[],
  { maxNewTokens, stop, edit }: GenerateOptions,
  choose: Choose,
  out: number[][]
): void {
  const done = new Set<number>()
  const all = Int32Array.from(rows, (_, i) => i)
  const edits = edit === undefined ? undefined : { edits: [edit], rowEdit: new Int32Array(rows.length) }
  let next: readonly (readonly number[])[] = rows.map((i) => prompts[i]!)
  let past: KeyValueCache | undefined
  for (let step = 0; step < maxNewTokens && done.size < rows.length; step++) {
    const batch = padBatch(next)
    const { hidden, logits, cache } = model.forward(batch, {
      logitsAt: { rows: all, positions: new Int32Array(rows.length).fill(batch.seq - 1) },
      keepCache: true,
      ...(past === undefined ? {} : { past }),
      ...(edits === undefined ? {} : { edits })
    })
    const chosen = choose(logits!)
    tf.dispose([hidden, logits!])
    disposeCache(past)
    past = cache
    chosen.forEach((id, i) => {
      if (done.has(i)) return
      if (id === model.tokenizer.endOfText || stop?.has(id) === true) done.add(i)
      else out[rows[i]!]!.push(id)
    })
    next = chosen.map((id) => [id])
  }
  disposeCache(past)
}

export function disposeCache(cache: KeyValueCache | undefined): void {
  if (cache !== undefined) tf.dispose([...cache.keys.values(), ...cache.values.values()])
}
