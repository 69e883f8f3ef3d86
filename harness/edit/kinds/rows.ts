import * as tf from '@tensorflow/tfjs-core'
import type { SiteChange } from '../../model'

/**
 * Adds to the rows of each part what `delta` makes of their input; rows without a part stay as they are. Each distinct part is applied once, to
 * all of its rows together.
 * @param delta x `[rows, seq, in]` -> `[rows, seq, out]`
 */
export function addPerPart<P>(
  parts: readonly (P | undefined)[],
  delta: (part: P, x: tf.Tensor3D) => tf.Tensor3D
): SiteChange {
  return (x, y, { rows }) => {
    const rowsOf = new Map<P, number[]>()
    const untouched: number[] = []
    for (const [i, row] of rows.entries()) {
      const part = parts[row]
      if (part === undefined) untouched.push(i)
      else if (rowsOf.has(part)) rowsOf.get(part)!.push(i)
      else rowsOf.set(part, [i])
    }
    const [only, ...more] = rowsOf.keys()
    if (only === undefined) return y
    if (more.length === 0 && untouched.length === 0) return y.add(delta(only, x))
    const [, seq, width] = y.shape
    const order = [...[...rowsOf.values()].flat(), ...untouched]
    const sorted = tf.gather(x, tf.tensor1d(order, 'int32'))
    let start = 0
    const deltas = [...rowsOf].map(([part, own]) => {
      const slice = tf.slice(sorted, [start, 0, 0], [own.length, -1, -1])
      start += own.length
      return delta(part, slice)
    })
    if (untouched.length > 0) deltas.push(tf.zeros([untouched.length, seq, width]))
    const back = new Int32Array(order.length)
    for (const [place, row] of order.entries()) back[row] = place
    return y.add(tf.gather(tf.concat(deltas, 0), tf.tensor1d(back, 'int32')))
  }
}
