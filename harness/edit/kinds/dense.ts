import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import type { PartKind } from './kind'
import { checkLinearSite, misfit } from './linear-site'
import { addPerPart } from './rows'
import { count } from './schema'

/** `W += delta` at a linear site, `[out, in]` row-major; `bias` `[out]` is added to the site's bias. */
export interface DensePart {
  readonly kind: 'dense'
  readonly site: string
  readonly out: number
  readonly in: number
  readonly delta: Float32Array
  readonly bias?: Float32Array
}

const header = z.object({ site: z.string(), out: count, in: count })

export const dense: PartKind<DensePart> = {
  kind: 'dense',
  header,
  headerOf: ({ site, out, in: width }) => ({ site, out, in: width }),
  arrays: ({ out, in: width, delta, bias }) => ({
    delta: { shape: [out, width], data: delta },
    ...(bias === undefined ? {} : { bias: { shape: [out], data: bias } })
  }),
  revive(stored, arrays) {
    const { site, out, in: width } = header.parse(stored)
    const bias = arrays.has('bias') ? { bias: arrays.read('bias', out) } : {}
    return { kind: 'dense', site, out, in: width, delta: arrays.read('delta', out * width), ...bias }
  },
  check(part, model) {
    checkLinearSite(part, model)
    const { site, out, in: width, delta, bias } = part
    if (delta.length !== out * width || (bias !== undefined && bias.length !== out))
      throw misfit(site, 'has other numbers than its size says')
  },
  merge(parts) {
    const [first] = parts
    if (parts.length === 1) return first
    const biases = parts.flatMap((p) => (p.bias === undefined ? [] : [p.bias]))
    return {
      ...first,
      delta: sum(parts.map((p) => p.delta)),
      ...(biases.length === 0 ? {} : { bias: sum(biases) })
    }
  },
  change: (parts) =>
    addPerPart(parts, ({ delta, bias, out, in: width }, x) => {
      const [rows, seq] = x.shape
      const flat = x.reshape([rows * seq, width])
      const added = tf.matMul(flat, tf.tensor2d(delta, [out, width]), false, true) // [rows·seq, out]
      return (bias === undefined ? added : added.add(tf.tensor1d(bias))).reshape([rows, seq, out])
    }),
  weightNames: ({ site, bias }) => [`${site}.weight`, ...(bias === undefined ? [] : [`${site}.bias`])],
  weightDelta({ site, delta, bias, out, in: width }, name) {
    if (name === `${site}.weight`) return tf.tensor2d(delta, [out, width])
    return name === `${site}.bias` && bias !== undefined ? tf.tensor1d(bias) : undefined
  }
}

function sum(arrays: readonly Float32Array[]): Float32Array {
  const total = new Float32Array(arrays[0]!.length)
  for (const array of arrays) for (let i = 0; i < total.length; i++) total[i] = total[i]! + array[i]!
  return total
}
