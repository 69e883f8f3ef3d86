import * as tf from '@tensorflow/tfjs'
import type { Edit } from '../edit/types'
import { UserError } from '../errors'
import type { Random } from '../random'
import { batchesByLength, groupsByDenseEdit, padBatch, rowEditsOf } from './batching'
import type { KeyValueCache, LanguageModel } from './types'

export interface GenerateOptions {
  readonly maxNewTokens: number
  /** Generation of a row ends after a token for which this is true, itself included; the end of the text always ends it. */
  readonly endsWith?: (id: number) => boolean
  /** The edit every row carries; the base model where missing. */
  readonly edits?: readonly (Edit | undefined)[]
  readonly budget?: number
}

/** Picks the next token of every row: logits `[rows, vocab]` -> ids. */
type Choose = (logits: tf.Tensor2D) => readonly number[]

/** Greedy continuations of the prompts, without the end-of-text token. */
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
    const { values, indices } = tf.tidy(() => tf.topk(tf.softmax(logits), options.topK))
    const [shares, ids] = [values.arraySync(), indices.arraySync()] as unknown as [number[][], number[][]]
    tf.dispose([values, indices])
    return shares.map((row, i) => {
      let left = options.random.uniform() * row.reduce((a, b) => a + b, 0)
      const drawn = row.findIndex((p) => {
        left -= p
        return left < 0
      })
      return ids[i]![drawn < 0 ? row.length - 1 : drawn]!
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
  const edits = options.edits ?? prompts.map(() => undefined)
  for (const group of groupsByDenseEdit(edits)) {
    // Rows of one length need no padding, so keys and values simply grow.
    const byLength = new Map<number, number[]>()
    for (const i of group) {
      const { length } = prompts[i]!
      const rows = byLength.get(length)
      if (rows === undefined) byLength.set(length, [i])
      else rows.push(i)
    }
    for (const rows of byLength.values()) {
      const lengths = rows.map((i) => prompts[i]!.length + options.maxNewTokens)
      for (const batch of batchesByLength(lengths, options.budget)) {
        const chosen = batch.map((i) => rows[i]!)
        generateBatch(model, chosen, prompts, edits, options, choose, out)
      }
    }
  }
  return out
}

function generateBatch(
  model: LanguageModel,
  rows: readonly number[],
  prompts: readonly (readonly number[])[],
  edits: readonly (Edit | undefined)[],
  { maxNewTokens, endsWith }: GenerateOptions,
  choose: Choose,
  out: number[][]
): void {
  const done = new Set<number>()
  const all = Int32Array.from(rows, (_, i) => i)
  const rowEdits = rowEditsOf(rows.map((i) => edits[i]))
  let next: readonly (readonly number[])[] = rows.map((i) => prompts[i]!)
  let past: KeyValueCache | undefined
  // The last token that fits need not be read again.
  const most = Math.min(maxNewTokens, model.config.maxPositions - next[0]!.length + 1)
  for (let step = 0; step < most && done.size < rows.length; step++) {
    const batch = padBatch(next)
    const { hidden, logits, cache } = model.forward(batch, {
      logitsAt: { rows: all, positions: new Int32Array(rows.length).fill(batch.seq - 1) },
      keepCache: true,
      edits: rowEdits,
      ...(past === undefined ? {} : { past })
    })
    const sums = tf.tidy(() => logits!.sum(1).dataSync())
    const chosen = choose(logits!)
    tf.dispose([hidden, logits!])
    disposeCache(past)
    past = cache
    for (const [i, id] of chosen.entries()) {
      if (done.has(i)) continue
      if (!Number.isFinite(sums[i])) {
        disposeCache(past)
        throw notNumbers(model, edits[rows[i]!])
      }
      if (id !== model.tokenizer.endOfText) out[rows[i]!]!.push(id)
      if (id === model.tokenizer.endOfText || endsWith?.(id) === true) done.add(i)
    }
    next = chosen.map((id) => [id])
  }
  disposeCache(past)
}

/** What to say of a model whose logits are NaN or infinite: its answers would mean nothing. */
export function notNumbers(model: LanguageModel, edit: Edit | undefined): UserError {
  const what = edit === undefined ? `the model ${model.name}` : `the model edited by ${edit.method}`
  return new UserError(`the logits of ${what} are not finite numbers (NaN or infinite)`, {
    hint: 'its values overflow; nothing it says means anything'
  })
}

export function disposeCache(cache: KeyValueCache | undefined): void {
  if (cache !== undefined) tf.dispose([...cache.keys.values(), ...cache.values.values()])
}
