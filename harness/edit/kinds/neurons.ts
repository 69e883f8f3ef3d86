import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import type { SiteChange } from '../../model'
import { gelu, geluErf, joined, silu } from '../../tensor'
import type { PartKind } from './kind'
import { misfit } from './linear-site'
import { addPerPart } from './rows'
import { count } from './schema'

/** What a neuron makes of its pre-activation. */
export const ACTIVATIONS = {
  relu: tf.relu<tf.Tensor2D>,
  gelu: gelu<tf.Tensor2D>,
  'gelu-erf': geluErf<tf.Tensor2D>,
  silu: silu<tf.Tensor2D>
}
export type Activation = keyof typeof ACTIVATIONS
/** Their names, for schemas. */
export const ACTIVATION_NAMES = Object.keys(ACTIVATIONS) as [Activation, ...Activation[]]

/**
 * Further neurons of an MLP: `y += act(x·Kᵀ + b)·V` at a site `layers.N.mlp`; keys K `[neurons, dim]`, biases b `[neurons]`, values V
 * `[neurons, dim]`, row-major (T-Patcher, CaliNET).
 */
export interface NeuronsPart {
  readonly kind: 'neurons'
  readonly site: string
  readonly neurons: number
  readonly dim: number
  readonly activation: Activation
  readonly keys: Float32Array
  readonly biases: Float32Array
  readonly values: Float32Array
}

const activation = z.enum(ACTIVATION_NAMES)
const header = z.object({ site: z.string(), neurons: count, dim: count, activation })

export const neurons: PartKind<NeuronsPart> = {
  kind: 'neurons',
  header,
  headerOf: ({ site, neurons: n, dim, activation: act }) => ({ site, neurons: n, dim, activation: act }),
  arrays: ({ neurons: n, dim, keys, biases, values }) => ({
    keys: { shape: [n, dim], data: keys },
    biases: { shape: [n], data: biases },
    values: { shape: [n, dim], data: values }
  }),
  revive(stored, arrays) {
    const about = header.parse(stored)
    const { neurons: n, dim } = about
    const [keys, values] = [arrays.read('keys', n * dim), arrays.read('values', n * dim)]
    return { kind: 'neurons', ...about, keys, biases: arrays.read('biases', n), values }
  },
  check({ site, neurons: n, dim, keys, biases, values }, { config }) {
    const [, layer] = /^layers\.(\d+)\.mlp$/.exec(site) ?? []
    if (layer === undefined || Number(layer) >= config.layers) throw misfit(site, 'is at no MLP of this model')
    if (dim !== config.dim) throw misfit(site, `is for a model of width ${dim}, this one's is ${config.dim}`)
    if (keys.length !== n * dim || values.length !== n * dim || biases.length !== n)
      throw misfit(site, `has other numbers than ${n} neurons want`)
  },
  merge(parts) {
    const [first] = parts
    if (parts.length === 1) return first
    if (parts.some((p) => p.activation !== first.activation)) return undefined
    const all = (name: 'keys' | 'biases' | 'values') => joined(parts.map((p) => p[name]))
    const count = parts.reduce((sum, p) => sum + p.neurons, 0)
    return { ...first, neurons: count, keys: all('keys'), biases: all('biases'), values: all('values') }
  },
  change: (parts): SiteChange =>
    addPerPart(parts, ({ neurons: n, dim, activation: act, keys, biases, values }, x) => {
      const [rows, seq] = x.shape
      const inside = tf.matMul(x.reshape([rows * seq, dim]), tf.tensor2d(keys, [n, dim]), false, true) // [rows·seq, neurons]
      const active = ACTIVATIONS[act](inside.add(tf.tensor1d(biases)))
      return tf.matMul(active, tf.tensor2d(values, [n, dim])).reshape([rows, seq, dim])
    })
}
