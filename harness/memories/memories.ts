import * as tf from '@tensorflow/tfjs-core'
import { batchesByLength, encodePrompt, type LanguageModel, padBatch } from '../model'
import { valuesOf } from '../tensor'

/*
 * MLPs as memories (Geva et al. 2021, arXiv 2012.14913; the book's section 5.2.2): a neuron's key answers to prefixes of texts, and its value promotes tokens.
 */

/** A prefix that a neuron answers to. */
export interface Trigger {
  readonly prefix: string
  /** What comes next in the text. */
  readonly next: string
  /** What the down-projection reads of the neuron there. */
  readonly coefficient: number
}

export interface Promoted {
  readonly token: string
  /** What one unit of the neuron adds to the token's logit, but for the final norm. */
  readonly logit: number
}

const siteOf = (layer: number) => `layers.${layer}.mlp.proj`

/** Rows of a corpus, up to so many tokens. */
function rowsOf(model: LanguageModel, documents: Iterable<string>, tokens: number): number[][] {
  const rows: number[][] = []
  let left = tokens
  for (const text of documents) {
    const ids = encodePrompt(model.tokenizer, text).slice(0, model.config.maxPositions)
    if (ids.length < 2) continue
    rows.push(ids)
    left -= ids.length
    if (left <= 0) break
  }
  return rows
}

/** Runs a corpus once, a batch at a time: coefficients of some blocks, `[tokens of the batch, dFf]` each, and where each token stands. */
function readNeurons(
  model: LanguageModel,
  rows: readonly (readonly number[])[],
  layers: readonly number[],
  read: (
    coefficients: readonly Float32Array[],
    places: readonly { readonly row: number; readonly at: number }[]
  ) => void
): void {
  const sites = layers.map((l) => `${siteOf(l)}:in`)
  for (const batch of batchesByLength(rows.map((r) => r.length))) {
    const tokens = padBatch(batch.map((i) => rows[i]!))
    const { hidden, captured } = model.forward(tokens, { to: Math.max(...layers) + 1, capture: sites })
    // The last token of a text has no next one.
    const places = batch.flatMap((row, b) =>
      Array.from({ length: rows[row]!.length - 1 }, (_, at) => ({ row, at, flat: b * tokens.seq + at }))
    )
    const at = tf.tensor1d(
      places.map((p) => p.flat),
      'int32'
    )
    const coefficients = sites.map((site) =>
      valuesOf(() => {
        const t = captured[site]!
        return tf.gather(t.reshape([-1, t.shape[2]]), at)
      })
    )
    at.dispose()
    tf.dispose([hidden, ...Object.values(captured)])
    read(coefficients, places)
  }
}

/** The prefixes of a corpus that a neuron answers to most, the strongest first. */
export function triggers(
  model: LanguageModel,
  layer: number,
  neuron: number,
  documents: Iterable<string>,
  { tokens, count }: { readonly tokens: number; readonly count: number }
): Trigger[] {
  const rows = rowsOf(model, documents, tokens)
  const { ffDim } = model.config
  let best: { row: number; at: number; coefficient: number }[] = []
  readNeurons(model, rows, [layer], ([coefficients], places) => {
    const own = places.map(({ row, at }, i) => ({ row, at, coefficient: coefficients![i * ffDim + neuron]! }))
    best = [...best, ...own].sort((a, b) => b.coefficient - a.coefficient).slice(0, count)
  })
  const { tokenizer } = model
  return best.map(({ row, at, coefficient }) => ({
    prefix: tokenizer.decode(rows[row]!.slice(tokenizer.prefix.length, at + 1)),
    next: tokenizer.decode([rows[row]![at + 1]!]),
    coefficient
  }))
}

/** The output embedding: what a token's logit is read with, `[vocab, dim]`. */
const readOut = (model: LanguageModel): tf.Tensor2D =>
  model.weight(model.config.tiedHead ? 'embed.weight' : 'head.weight') as tf.Tensor2D

/** What a neuron's value promotes most, and least: its products with the output embeddings (Geva et al. 2022, arXiv 2203.14680). */
export function promotedBy(
  model: LanguageModel,
  layer: number,
  neuron: number,
  count: number
): { readonly most: Promoted[]; readonly least: Promoted[] } {
  const logits = valuesOf(() => {
    const weight = model.weight(`${siteOf(layer)}.weight`) as tf.Tensor2D // [dim, dFf]
    const value = tf.slice(weight, [0, neuron], [-1, 1])
    return tf.matMul(readOut(model), value)
  })
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!)
  const named = (ids: readonly number[]) =>
    ids.map((id): Promoted => ({ token: model.tokenizer.decode([id]), logit: logits[id]! }))
  return { most: named(order.slice(0, count)), least: named(order.slice(-count).reverse()) }
}

export interface Agreement {
  readonly layer: number
  readonly neurons: number
  /** Neurons whose value promotes most what comes next after the prefix that their key answers to most. */
  readonly agree: number
}

/** How often keys and values agree, block by block (Geva et al. 2021, section 4.2). */
export function agreements(model: LanguageModel, documents: Iterable<string>, tokens: number): Agreement[] {
  const { layers, ffDim } = model.config
  const blocks = Array.from({ length: layers }, (_, l) => l)
  const rows = rowsOf(model, documents, tokens)
  const largest = blocks.map(() => new Float32Array(ffDim).fill(Number.NEGATIVE_INFINITY))
  const next = blocks.map(() => new Int32Array(ffDim))
  readNeurons(model, rows, blocks, (coefficients, places) => {
    for (const layer of blocks) {
      const own = coefficients[layer]!
      for (const [i, { row, at }] of places.entries())
        for (let j = 0; j < ffDim; j++) {
          if (own[i * ffDim + j]! <= largest[layer]![j]!) continue
          largest[layer]![j] = own[i * ffDim + j]!
          next[layer]![j] = rows[row]![at + 1]!
        }
    }
  })
  return blocks.map((layer) => {
    const promoted = valuesOf(() => {
      const weight = model.weight(`${siteOf(layer)}.weight`) as tf.Tensor2D
      return tf.matMul(readOut(model), weight).argMax(0)
    })
    const agree = [...promoted].filter((token, j) => token === next[layer]![j]).length
    return { layer, neurons: ffDim, agree }
  })
}
