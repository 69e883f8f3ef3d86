import * as tf from '@tensorflow/tfjs-core'
import type { RotaryTables } from './rotary'
import type { ForwardOptions, KeyValueCache, ModelConfig, TokenBatch } from './types'

/*
 * Where logits alone are wanted, the last block works for their positions: of the others it needs keys and values.
 */

/** Whether something in a block is changed or captured. */
export const isTouched = (
  layer: number,
  { capture = [], changes }: Pick<ForwardOptions, 'capture' | 'changes'>
): boolean => [...capture, ...(changes?.keys() ?? [])].some((site) => site.startsWith(`layers.${layer}.`))

/** Positions that a last block works for. */
export interface Queries {
  /** Of every row as many, the last again where others have more. */
  readonly count: number
  /** Of all rows, `[batch · count]`, each counted over batch · seq. */
  readonly at: Int32Array
  /** Where those of the logits are among them, counted over batch · count. */
  readonly places: Int32Array
}

/** Undefined where the last block must work for all positions. */
export function queriesOf(
  { layers }: ModelConfig,
  { batch, seq }: TokenBatch,
  { logitsOnly, logitsAt, to, keepCache, capture = [], changes = new Map() }: ForwardOptions
): Queries | undefined {
  if (logitsOnly !== true || logitsAt === undefined || keepCache === true || (to ?? layers) < layers) return undefined
  if (isTouched(layers - 1, { capture, changes })) return undefined
  const ofRow: number[][] = Array.from({ length: batch }, () => [])
  const slots = Array.from(logitsAt.rows, (row, i) => {
    const position = logitsAt.positions[i]!
    const known = ofRow[row]!.indexOf(position)
    return known >= 0 ? known : ofRow[row]!.push(position) - 1
  })
  const count = Math.max(1, ...ofRow.map((some) => some.length))
  if (count >= seq) return undefined
  return {
    count,
    at: Int32Array.from({ length: batch * count }, (_, i) => {
      const row = Math.floor(i / count)
      const own = ofRow[row]!
      return row * seq + (own[Math.min(i % count, own.length - 1)] ?? 0)
    }),
    places: Int32Array.from(logitsAt.rows, (row, i) => row * count + slots[i]!)
  }
}

/** Some positions of every row: x `[batch, seq, dim]` -> `[batch, count, dim]`. */
export function picked(x: tf.Tensor3D, at: Int32Array, count: number): tf.Tensor3D {
  const [batch, seq, dim] = x.shape
  return tf.gather(x.reshape([batch * seq, dim]), tf.tensor1d(at, 'int32')).reshape([batch, count, dim])
}

export const pickedTables = ({ cos, sin }: RotaryTables, { at, count }: Queries): RotaryTables => ({
  cos: picked(cos, at, count),
  sin: picked(sin, at, count)
})

/** `[batch, count, past + seq]`: 1 for the keys that a query sees. The past is padded on the left. */
export function queryMask(
  { batch, seq }: TokenBatch,
  past: KeyValueCache | undefined,
  { at, count }: Queries,
  window = Number.POSITIVE_INFINITY
): tf.Tensor3D {
  const before = past?.past ?? 0
  const keys = before + seq
  const mask = new Float32Array(batch * count * keys)
  for (const [i, place] of at.entries()) {
    const row = Math.floor(place / seq)
    const end = before + (place % seq) + 1
    const begin = Math.max(before - (past?.lengths[row] ?? 0), end - window)
    mask.fill(1, i * keys + begin, i * keys + end)
  }
  return tf.tensor3d(mask, [batch, count, keys])
}
