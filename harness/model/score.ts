import * as tf from '@tensorflow/tfjs'
import type { Edit } from '../edit/types'
import { crossEntropy } from '../tensor'
import { batchesByLength, groupsByDenseEdit, padBatch, rowEditsOf, TOKEN_BUDGET } from './batching'
import { notNumbers } from './generate'
import type { LanguageModel } from './types'

export interface TargetToScore {
  readonly prompt: readonly number[]
  readonly target: readonly number[]
  /** The edit this row carries; the base model where missing. */
  readonly edit?: Edit
}

export interface TargetScore {
  /** The model's own choice at every position of the target, given the target before it. */
  readonly argmax: readonly number[]
  /** Negative log likelihood of every token of the target, in nats. */
  readonly nll: readonly number[]
  /** The model's choice after the whole target. */
  readonly next: number
  /** False where the edited model's logits are NaN or infinite. The unedited model's never are: that is an error. */
  readonly finite: boolean
}

/**
 * Teacher-forced pass over prompt + target (DESIGN.md, idea 3): logits only where the target is predicted.
 * Greedy decoding gives the target exactly if and only if `argmax` equals it.
 * @throws UserError when the unedited model's logits are not finite
 */
export function scoreTargets(
  model: LanguageModel,
  items: readonly TargetToScore[],
  budget: number = TOKEN_BUDGET
): TargetScore[] {
  const scores: TargetScore[] = new Array(items.length)
  for (const group of groupsByDenseEdit(items.map((i) => i.edit))) {
    const lengths = group.map((i) => items[i]!.prompt.length + items[i]!.target.length)
    for (const batch of batchesByLength(lengths, budget))
      scoreBatch(
        model,
        items,
        batch.map((i) => group[i]!),
        scores
      )
  }
  return scores
}

function scoreBatch(
  model: LanguageModel,
  items: readonly TargetToScore[],
  batch: readonly number[],
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
    const logits = model.forward(padBatch(batch.map((i) => [...items[i]!.prompt, ...items[i]!.target])), {
      logitsAt: { rows: Int32Array.from(rows), positions: Int32Array.from(positions) },
      edits: rowEditsOf(batch.map((i) => items[i]!.edit))
    }).logits!
    return [logits.argMax(1).dataSync(), crossEntropy(logits, tf.tensor1d(labels, 'int32')).dataSync()]
  }) as unknown as [Int32Array, Float32Array]
  let at = 0
  for (const item of batch) {
    const n = items[item]!.target.length
    // Unedited, no case of this model means anything; edited, it is the edit that failed.
    const broken = nll.subarray(at, at + n + 1).some((x) => !Number.isFinite(x))
    if (broken && items[item]!.edit === undefined) throw notNumbers(model, undefined)
    scores[item] = {
      argmax: [...argmax.slice(at, at + n)],
      nll: [...nll.slice(at, at + n)],
      next: argmax[at + n]!,
      finite: !broken
    }
    at += n + 1
  }
}
