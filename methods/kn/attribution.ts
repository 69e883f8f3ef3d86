import * as tf from '@tensorflow/tfjs-core'
import { groupBy } from '../../harness/group-by'
import { disposeCache, type KeyValueCache, type LanguageModel, padBatch } from '../../harness/model'
import { valuesOf } from '../../harness/tensor'

/** A prompt, as ids, and the token whose probability is attributed to neurons. */
export interface Question {
  readonly ids: readonly number[]
  readonly gold: number
}

/** What counts as a neuron: what the down-projection reads, or what goes into the activation function. */
export type Unit = 'activation' | 'pre-activation'

/** Where the activations are scaled: `left` i/m for i < m (Dai et al. 2022), `ends` from 0 to 1 with both (EleutherAI/knowledge-neurons). */
export type Points = 'left' | 'ends'

export interface AttributionOptions {
  readonly steps: number
  readonly unit: Unit
  readonly points: Points
}

/** Rows that run together. */
const ROWS = 640

/**
 * Integrated gradients of a token's probability with respect to the neurons of every MLP at the prompt's last position: w · mean ∂P/∂w at αw (Dai et al.
 * 2022, eq. 4), `[layers · dFf]` for every question. Only the last position depends on them, so only it runs, from their block on, over the keys and values
 * of those before it.
 */
export function attributions(
  model: LanguageModel,
  questions: readonly Question[],
  options: AttributionOptions
): Float32Array[] {
  const found = new Array<Float32Array>(questions.length)
  const together = Math.max(1, Math.floor(ROWS / options.steps))
  const places = [...questions.keys()]
  for (const same of groupBy(places, (i) => questions[i]!.ids.length).values())
    for (let start = 0; start < same.length; start += together) {
      const some = same.slice(start, start + together)
      const scores = ofSameLength(
        model,
        some.map((i) => questions[i]!),
        options
      )
      for (const [k, i] of some.entries()) found[i] = scores[k]!
    }
  return found
}

/** The site of the neurons of a block. */
export const neuronSite = (model: Pick<LanguageModel, 'weightShape'>, layer: number, unit: Unit): string => {
  const mlp = `layers.${layer}.mlp`
  if (unit === 'activation') return `${mlp}.proj:in`
  // Of a gated MLP what goes into the activation function is the gate.
  return model.weightShape(`${mlp}.gate.weight`) === undefined ? `${mlp}.fc` : `${mlp}.gate`
}

function ofSameLength(
  model: LanguageModel,
  questions: readonly Question[],
  { steps, unit, points }: AttributionOptions
): Float32Array[] {
  const { layers } = model.config
  const count = questions.length
  const [length] = questions.map((q) => q.ids.length) as [number]
  const blocks = Array.from({ length: layers }, (_, l) => l)
  const sites = blocks.map((l) => neuronSite(model, l, unit))
  const { captured, hidden, cache } = model.forward(padBatch(questions.map((q) => q.ids)), {
    capture: [...sites, ...blocks.map((l) => `layers.${l}.in`)],
    keepCache: true
  })
  const past = tiledPast(cache!, length - 1, count, steps)
  const width = captured[sites[0]!]!.shape[2]
  const scores = questions.map(() => new Float32Array(layers * width))
  const shares = Array.from({ length: steps }, (_, i) =>
    points === 'left' ? i / steps : steps === 1 ? 0 : i / (steps - 1)
  )
  try {
    for (const layer of blocks) {
      const own = valuesOf(() => {
        const atLast = (t: tf.Tensor3D) => tf.slice(t, [0, length - 1, 0], [-1, 1, -1]) // [questions, 1, width]
        const tiled = (t: tf.Tensor3D) =>
          tf.tile(t, [1, steps, 1]).reshape([count * steps, 1, t.shape[2]]) as tf.Tensor3D
        const neurons = atLast(captured[sites[layer]!]!)
        const stream = tiled(atLast(captured[`layers.${layer}.in`]!))
        const scale = tf.tensor3d(shares, [1, steps, 1])
        const scaled = neurons.mul(scale).reshape([count * steps, 1, width])
        const probability = (t: tf.Tensor) =>
          summedProbability(model, questions, layer, sites[layer]!, stream, past, t, steps)
        const gradient = tf.grad(probability)(scaled)
        return gradient
          .reshape([count, steps, width])
          .mean(1)
          .mul(neurons.reshape([count, width]))
      })
      for (const [q, all] of scores.entries()) all.set(own.subarray(q * width, (q + 1) * width), layer * width)
    }
  } finally {
    tf.dispose([...Object.values(captured), hidden])
    disposeCache(cache)
    disposeCache(past)
  }
  return scores
}

/** Keys and values of the positions before the last, each question's as often as there are steps. */
function tiledPast(cache: KeyValueCache, past: number, count: number, steps: number): KeyValueCache | undefined {
  if (past === 0) return undefined
  const tile = (t: tf.Tensor4D): tf.Tensor4D =>
    tf.tidy(() => {
      const [, heads, , headDim] = t.shape
      const before = tf.slice(t, [0, 0, 0, 0], [-1, -1, past, -1]).reshape([count, 1, heads * past * headDim])
      return tf.tile(before, [1, steps, 1]).reshape([count * steps, heads, past, headDim])
    })
  const all = (tensors: ReadonlyMap<number, tf.Tensor4D>) => new Map([...tensors].map(([l, t]) => [l, tile(t)]))
  return {
    keys: all(cache.keys),
    values: all(cache.values),
    lengths: new Array<number>(count * steps).fill(past),
    past
  }
}

/** Σ P(gold) over all rows, whose neurons are given: each row's gradient is its own. */
function summedProbability(
  model: LanguageModel,
  questions: readonly Question[],
  layer: number,
  site: string,
  stream: tf.Tensor3D,
  past: KeyValueCache | undefined,
  neurons: tf.Tensor,
  steps: number
): tf.Scalar {
  const rows = questions.length * steps
  const all = Int32Array.from({ length: rows }, (_, i) => i)
  const { logits } = model.forward(
    { ids: new Int32Array(rows), batch: rows, seq: 1, lengths: new Array<number>(rows).fill(1) },
    {
      from: { layer, hidden: stream },
      changes: new Map([[site, () => neurons as tf.Tensor3D]]),
      logitsAt: { rows: all, positions: new Int32Array(rows) },
      ...(past === undefined ? {} : { past })
    }
  )
  const [, vocab] = logits!.shape
  const gold = questions.flatMap((q) => new Array<number>(steps).fill(q.gold))
  const hot = tf.oneHot(tf.tensor1d(gold, 'int32'), vocab)
  return tf.softmax(logits!).mul(hot).sum() as tf.Scalar
}
