import * as tf from '@tensorflow/tfjs-core'
import { disposeCache, type KeyValueCache, type LanguageModel, leftAlign } from '../harness/model'

/*
 * For passes that begin within a text, where nothing before depends on what is sought.
 */

/**
 * Keys and values of the tokens before, in the blocks from `layer` on; undefined when there are none.
 * @param prefixes what enters block `layer` at them, `[tokens, dim]` a row
 */
export function pastOf(
  model: LanguageModel,
  prefixes: readonly Float32Array[],
  layer: number
): KeyValueCache | undefined {
  const { dim } = model.config
  const lengths = prefixes.map((p) => p.length / dim)
  const longest = Math.max(...lengths)
  if (longest === 0) return undefined
  const tokens = {
    ids: new Int32Array(prefixes.length * longest),
    batch: prefixes.length,
    seq: longest,
    lengths,
    // The prompts do not end here.
    prompts: lengths.map(() => Number.POSITIVE_INFINITY)
  }
  const hidden = stacked(prefixes, dim)
  const { hidden: unused, cache } = model.forward(tokens, { from: { layer, hidden }, keepCache: true })
  const aligned = leftAlign(cache!, lengths)
  tf.dispose([hidden, unused])
  disposeCache(cache)
  return aligned
}

/** Rows of vectors of unequal number, padded with zeros on the right: `[rows, longest, dim]`. */
export function stacked(rows: readonly Float32Array[], dim: number): tf.Tensor3D {
  const width = Math.max(...rows.map((r) => r.length))
  return tf.tensor3d(concatenated(rows, width), [rows.length, width / dim, dim])
}

/** Arrays one after another, each padded with zeros to a width. */
export function concatenated(rows: readonly Float32Array[], width: number): Float32Array {
  const out = new Float32Array(rows.length * width)
  for (const [i, row] of rows.entries()) out.set(row, i * width)
  return out
}
