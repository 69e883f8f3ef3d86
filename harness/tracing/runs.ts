import * as tf from '@tensorflow/tfjs-core'
import {
  disposeCache,
  type KeyValueCache,
  type LanguageModel,
  leftAlign,
  padBatch,
  type SiteChange,
  type SiteName
} from '../model'
import { randomStream } from '../random'
import { valuesOf } from '../tensor'
import type { TracedFact, TraceOptions } from './types'

/** A fact as ids. */
export interface Asked {
  readonly fact: TracedFact
  readonly ids: readonly number[]
  /** Tokens of the subject: from, to (exclusive). */
  readonly from: number
  readonly to: number
}

export interface Known extends Asked {
  readonly answer: number
  readonly high: number
}

/** Sites of what a block adds to the stream. */
export const mlpOf = (layer: number): SiteName => `layers.${layer}.mlp`
export const attentionOf = (layer: number): SiteName => `layers.${layer}.attn.out`
const intoBlock = (layer: number): SiteName => `layers.${layer}.in`

/**
 * A run of some facts with noise, or without: what single cells start from. Rows end together: what a fact is shorter by is missing at the beginning, so
 * that tokens at one distance from the end stand in one place.
 */
export interface Run {
  /** Streams into every block, and after the last, `[rows, longest, dim]`. */
  readonly streams: readonly tf.Tensor3D[]
  readonly mlps: readonly tf.Tensor3D[]
  readonly attentions: readonly tf.Tensor3D[]
  readonly cache: KeyValueCache
  /** Mean probability of each fact's answer over its rows. */
  readonly probabilities: readonly number[]
}

export function run(model: LanguageModel, facts: readonly Known[], samples: number, noise?: SiteChange): Run {
  const blocks = [...Array(model.config.layers).keys()]
  const rows = facts.flatMap(({ ids }) => new Array<readonly number[]>(samples).fill(ids))
  const batch = padBatch(rows)
  const { hidden, captured, cache, logits } = model.forward(batch, {
    capture: blocks.flatMap((l) => [intoBlock(l), mlpOf(l), attentionOf(l)]),
    keepCache: true,
    logitsAt: { rows: rowsUpTo(rows.length), positions: Int32Array.from(rows, (row) => row.length - 1) },
    ...(noise === undefined ? {} : { changes: new Map([['embed', noise]]) })
  })
  const probabilities = answerProbabilities(logits!, facts, samples)
  logits!.dispose()
  const aligned = (t: tf.Tensor3D) => endingTogether(t, batch.lengths)
  const result = {
    streams: [...blocks.map((l) => aligned(captured[intoBlock(l)]!)), aligned(hidden)],
    mlps: blocks.map((l) => aligned(captured[mlpOf(l)]!)),
    attentions: blocks.map((l) => aligned(captured[attentionOf(l)]!)),
    cache: leftAlign(cache!, batch.lengths),
    probabilities
  }
  tf.dispose([...Object.values(captured), hidden])
  disposeCache(cache)
  return result
}

/** Noise on the embeddings of every fact's subject, its own for every sample: `[facts · samples, longest, dim]`. */
export function noisy(
  facts: readonly Known[],
  noise: number,
  { samples, seed, drawn }: TraceOptions,
  dim: number
): SiteChange {
  const longest = Math.max(...facts.map((f) => f.ids.length))
  const added = new Float32Array(facts.length * samples * longest * dim)
  for (const [i, { fact, from, to }] of facts.entries()) {
    const size = (to - from) * dim
    const random = randomStream(seed, 'trace', fact.id)
    const numbers = drawn?.(fact, to - from) ?? Float32Array.from({ length: samples * size }, () => random.normal())
    for (let s = 0; s < samples; s++) {
      const row = (i * samples + s) * longest * dim
      for (let k = 0; k < size; k++) added[row + from * dim + k] = noise * numbers[s * size + k]!
    }
  }
  return (_, y) => y.add(tf.tensor3d(added, [facts.length * samples, longest, dim]))
}

/** Rows that are padded on the right -> padded on the left, by what stands there first. */
function endingTogether(t: tf.Tensor3D, lengths: readonly number[]): tf.Tensor3D {
  const [rows, seq, width] = t.shape
  const places = Int32Array.from({ length: rows * seq }, (_, i) => {
    const row = Math.floor(i / seq)
    return row * seq + Math.max(0, (i % seq) - (seq - lengths[row]!))
  })
  return tf.tidy(() =>
    tf.gather(t.reshape([rows * seq, width]), tf.tensor1d(places, 'int32')).reshape([rows, seq, width])
  ) as tf.Tensor3D
}

export function disposeRun({ streams, mlps, attentions, cache }: Run): void {
  tf.dispose([...streams, ...mlps, ...attentions])
  disposeCache(cache)
}

/** Mean over its rows of the probability of each fact's answer. */
export function answerProbabilities(logits: tf.Tensor2D, facts: readonly Known[], samples: number): number[] {
  const answers = facts.flatMap(({ answer }) => new Array<number>(samples).fill(answer))
  const [, vocab] = logits.shape
  const all = valuesOf(() => {
    const flat = Int32Array.from(answers, (answer, row) => row * vocab + answer)
    return tf.gather(tf.softmax(logits).reshape([-1]), tf.tensor1d(flat, 'int32'))
  })
  return facts.map((_, i) => {
    let sum = 0
    for (let s = 0; s < samples; s++) sum += all[i * samples + s]!
    return sum / samples
  })
}

export const rowsUpTo = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i)
