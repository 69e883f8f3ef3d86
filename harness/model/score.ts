import * as tf from '@tensorflow/tfjs-core'
import { crossEntropy } from '../tensor'
import { batchesByLength, padBatch } from './batching'
import { notFinite } from './generate'
import type { ChangesOf, LanguageModel, TargetScore } from './types'

/** A continuation of a prompt, both as ids. */
export interface TargetRow {
  readonly prompt: readonly number[]
  readonly target: readonly number[]
}

/**
 * Teacher-forced pass of a causal model over prompt + target: logits only where the target is predicted.
 * @throws UserError when the logits are not finite and nothing was changed
 */
export function scoreTargets(
  model: LanguageModel,
  items: readonly TargetRow[],
  changesOf?: ChangesOf,
  budget?: number
): TargetScore[] {
  const scores: TargetScore[] = new Array(items.length)
  const lengths = items.map(({ prompt, target }) => prompt.length + target.length)
  for (const batch of batchesByLength(lengths, budget)) scoreBatch(model, items, batch, changesOf, scores)
  return scores
}

function scoreBatch(
  model: LanguageModel,
  items: readonly TargetRow[],
  batch: readonly number[],
  changesOf: ChangesOf | undefined,
  scores: TargetScore[]
): void {
  const rows: number[] = []
  const positions: number[] = []
  const labels: number[] = []
  batch.forEach((item, row) => {
    const { prompt, target } = items[item]!
    for (let j = 0; j <= target.length; j++) {
      rows.push(row)
      positions.push(prompt.length - 1 + j)
      labels.push(target[j] ?? 0)
    }
  })
  const [argmax, nll] = tf.tidy(() => {
    const tokens = padBatch(batch.map((i) => [...items[i]!.prompt, ...items[i]!.target]))
    const prompts = batch.map((i) => items[i]!.prompt.length)
    const logits = model.forward(
      { ...tokens, prompts },
      {
        logitsAt: { rows: Int32Array.from(rows), positions: Int32Array.from(positions) },
        logitsOnly: true,
        ...(changesOf === undefined ? {} : { changes: changesOf(batch) })
      }
    ).logits!
    return [logits.argMax(1).dataSync(), crossEntropy(logits, tf.tensor1d(labels, 'int32')).dataSync()]
  }) as unknown as [Int32Array, Float32Array]
  let at = 0
  for (const item of batch) {
    const n = items[item]!.target.length
    // Unchanged, no answer of this model means anything; changed, it is the change that failed.
    const broken = nll.subarray(at, at + n + 1).some((x) => !Number.isFinite(x))
    if (broken && changesOf === undefined) throw notFinite(model.name)
    scores[item] = {
      argmax: [...argmax.slice(at, at + n)],
      nll: [...nll.slice(at, at + n)],
      next: argmax[at + n]!,
      finite: !broken
    }
    at += n + 1
  }
}

/**
 * How far the choices of a changed model are from those of the model as it is, KL(as it is ‖ changed) in nats, at every token of a target
 * (zjunlp/EasyEdit, kl_loc_loss). The changed model may be asked after another prompt.
 */
export function divergences(
  model: LanguageModel,
  items: readonly (TargetRow & { readonly changedPrompt: readonly number[] })[],
  changesOf: ChangesOf | undefined
): number[][] {
  const out: number[][] = new Array(items.length)
  const lengths = items.map((i) => Math.max(i.prompt.length, i.changedPrompt.length) + i.target.length)
  for (const batch of batchesByLength(lengths)) {
    const logitsOf = (prompt: (i: number) => readonly number[], changes: ReturnType<ChangesOf> | undefined) => {
      const rows = batch.flatMap((i, row) => items[i]!.target.map(() => row))
      const positions = batch.flatMap((i) => items[i]!.target.map((_, j) => prompt(i).length - 1 + j))
      const tokens = padBatch(batch.map((i) => [...prompt(i), ...items[i]!.target]))
      const prompts = batch.map((i) => prompt(i).length)
      const logitsAt = { rows: Int32Array.from(rows), positions: Int32Array.from(positions) }
      const only = { logitsAt, logitsOnly: true }
      return model.forward({ ...tokens, prompts }, { ...only, ...(changes === undefined ? {} : { changes }) }).logits!
    }
    const kl = tf.tidy(() => {
      const before = tf.logSoftmax(logitsOf((i) => items[i]!.prompt, undefined))
      const after = tf.logSoftmax(logitsOf((i) => items[i]!.changedPrompt, changesOf?.(batch)))
      return before.exp().mul(before.sub(after)).sum(1).dataSync()
    }) as unknown as Float32Array
    let at = 0
    for (const i of batch) {
      const n = items[i]!.target.length
      out[i] = [...kl.subarray(at, at + n)]
      at += n
    }
  }
  return out
}
