import * as tf from '@tensorflow/tfjs-core'
import type { KeyValueCache } from './types'

/**
 * Keys and values of a batch that was padded on the right -> padded on the left, as a past must be.
 * `lengths[row]` of the cached positions are real. The given cache stays as it is.
 */
export function leftAlign(cache: KeyValueCache, lengths: readonly number[]): KeyValueCache {
  const past = Math.max(0, ...lengths)
  const shift = (t: tf.Tensor4D): tf.Tensor4D => {
    const [batch, heads, seq, headDim] = t.shape
    if (lengths.every((n) => n === seq)) return t.clone()
    const source = t.dataSync() as Float32Array
    const out = new Float32Array(batch * heads * past * headDim)
    for (let row = 0; row < batch; row++) {
      const n = lengths[row]!
      for (let head = 0; head < heads; head++) {
        const from = (row * heads + head) * seq * headDim
        const to = ((row * heads + head) * past + past - n) * headDim
        out.set(source.subarray(from, from + n * headDim), to)
      }
    }
    return tf.tensor4d(out, [batch, heads, past, headDim])
  }
  const shifted = (tensors: ReadonlyMap<number, tf.Tensor4D>) =>
    new Map([...tensors].map(([layer, t]) => [layer, shift(t)]))
  return { keys: shifted(cache.keys), values: shifted(cache.values), lengths, past }
}

/** Some rows of a cache, in their order, in tensors of their own; a row may be there more than once. */
export function rowsOfCache({ keys, values, lengths, past }: KeyValueCache, rows: readonly number[]): KeyValueCache {
  const at = tf.tensor1d([...rows], 'int32')
  const picked = (tensors: ReadonlyMap<number, tf.Tensor4D>) =>
    new Map([...tensors].map(([layer, t]) => [layer, tf.gather(t, at)]))
  const some = { keys: picked(keys), values: picked(values), lengths: rows.map((row) => lengths[row]!), past }
  at.dispose()
  return some
}

export function disposeCache(cache: KeyValueCache | undefined): void {
  if (cache !== undefined) tf.dispose([...cache.keys.values(), ...cache.values.values()])
}
