import { batchesByLength, encodePrompt, type LanguageModel, padBatch } from '../../harness/model'
import { joined } from '../../harness/tensor'
import type { AnswerRow } from '../answer-row'
import { outputGradients } from '../output-gradients'
import type { Factors } from './editor'

/** A prompt and what is said after it, all of it to be kept as it is. */
export function textOf({ tokenizer }: LanguageModel, prompt: string, said: readonly number[]): AnswerRow {
  const asked = encodePrompt(tokenizer, prompt)
  return { ids: [...asked, ...said], first: asked.length - 1, labels: said }
}

/** Factors of a row's gradient at every map, for the tokens where it is not zero. */
export interface RowFactors {
  readonly sites: ReadonlyMap<string, Factors & { readonly rows: number }>
  /** Sum of −log P over its labels. */
  readonly loss: number
}

/**
 * Gradients in factors, each row's of its share of a loss.
 * @param shares of each label of a row
 */
export function factorsOf(
  model: LanguageModel,
  rows: readonly AnswerRow[],
  shares: readonly number[],
  sites: readonly string[],
  lowest: number
): RowFactors[] {
  const found = new Array<RowFactors>(rows.length)
  for (const batch of batchesByLength(rows.map((r) => r.ids.length))) {
    const some = batch.map((i) => rows[i]!)
    const tokens = { ...padBatch(some.map((r) => r.ids)), prompts: some.map((r) => r.first + 1) }
    const labels = some.flatMap((r, row) => r.labels.map((label, j) => ({ row, position: r.first + j, label })))
    const share = labels.map(({ row }) => shares[batch[row]!]!)
    const places = Int32Array.from(some.flatMap((r, row) => r.ids.map((_, at) => row * tokens.seq + at)))
    const { inputs, gradients, each } = outputGradients(model, tokens, labels, share, places, sites, lowest)
    let place = 0
    let label = 0
    for (const [k, i] of batch.entries()) {
      const { ids, labels: own } = some[k]!
      const of = new Map(
        sites.map((site, s) => [site, nonZero(inputs[s]!, gradients[s]!, place, ids.length, places.length)] as const)
      )
      let loss = 0
      for (let j = 0; j < own.length; j++) loss += each[label++]!
      found[i] = { sites: of, loss }
      place += ids.length
    }
  }
  return found
}

/** Rows that have an input and a gradient at all. */
function nonZero(inputs: Float32Array, gradients: Float32Array, start: number, count: number, all: number) {
  const [width, out] = [inputs.length / all, gradients.length / all]
  const cut = (a: Float32Array, w: number, i: number) => a.subarray((start + i) * w, (start + i + 1) * w)
  const kept = Array.from({ length: count }, (_, i) => i).filter(
    (i) => cut(inputs, width, i).some((x) => x !== 0) && cut(gradients, out, i).some((x) => x !== 0)
  )
  return {
    rows: kept.length,
    inputs: joined(kept.map((i) => cut(inputs, width, i))),
    gradients: joined(kept.map((i) => cut(gradients, out, i)))
  }
}
