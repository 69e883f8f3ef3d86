import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import type { PartKind } from './kind'
import { checkLinearSite, misfit } from './linear-site'
import { addPerPart } from './rows'
import { count } from './schema'

/** `W += U·Vᵀ` at a linear site; `u` is `[out, rank]` and `v` is `[in, rank]`, row-major. */
export interface LowRankPart {
  readonly kind: 'low-rank'
  readonly site: string
  readonly rank: number
  readonly out: number
  readonly in: number
  readonly u: Float32Array
  readonly v: Float32Array
}

const header = z.object({ site: z.string(), out: count, in: count, rank: count })

export const lowRank: PartKind<LowRankPart> = {
  kind: 'low-rank',
  header,
  headerOf: ({ site, out, in: width, rank }) => ({ site, out, in: width, rank }),
  arrays: (part) => ({
    u: { shape: [part.out, part.rank], data: part.u },
    v: { shape: [part.in, part.rank], data: part.v }
  }),
  revive(stored, arrays) {
    const { site, out, in: width, rank } = header.parse(stored)
    const [u, v] = [arrays.read('u', out * rank), arrays.read('v', width * rank)]
    return { kind: 'low-rank', site, rank, out, in: width, u, v }
  },
  check(part, model) {
    checkLinearSite(part, model)
    const { site, u, v, rank, out, in: width } = part
    if (!(rank >= 1) || u.length !== out * rank || v.length !== width * rank)
      throw misfit(site, `has ${u.length} and ${v.length} numbers, which is no change of rank ${rank}`)
  },
  merge(parts) {
    const [first] = parts
    if (parts.length === 1) return first
    const rank = parts.reduce((sum, p) => sum + p.rank, 0)
    const u = columns(parts, 'u', first.out, rank)
    const v = columns(parts, 'v', first.in, rank)
    return { ...first, rank, u, v }
  },
  change: (parts) =>
    addPerPart(parts, ({ u, v, rank, out, in: width }, x) => {
      const [rows, seq] = x.shape
      const inside = tf.matMul(x.reshape([rows * seq, width]), tf.tensor2d(v, [width, rank])) // [rows·seq, rank]
      return tf.matMul(inside, tf.tensor2d(u, [out, rank]), false, true).reshape([rows, seq, out])
    }),
  weightNames: ({ site }) => [`${site}.weight`],
  weightDelta: ({ site, u, v, rank, out, in: width }, name) =>
    name === `${site}.weight`
      ? tf.matMul(tf.tensor2d(u, [out, rank]), tf.tensor2d(v, [width, rank]), false, true)
      : undefined
}

/** The columns of all parts side by side, `[height, rank]`. */
function columns(parts: readonly LowRankPart[], name: 'u' | 'v', height: number, rank: number): Float32Array {
  const together = new Float32Array(height * rank)
  let column = 0
  for (const part of parts) {
    for (let i = 0; i < height; i++)
      together.set(part[name].subarray(i * part.rank, (i + 1) * part.rank), i * rank + column)
    column += part.rank
  }
  return together
}
