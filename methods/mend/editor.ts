import * as tf from '@tensorflow/tfjs-core'
import type { LanguageModel } from '../../harness/model'
import { randomStream } from '../../harness/random'
import { joined } from '../../harness/tensor'
import type { Artifact } from '../types'

/** Layers of an editor's network: MEND's one hidden one, and the last. */
const LAYERS = 2
/** What keeps a spread of zero from being divided by. */
const EPSILON = 1e-7

/** Maps of one shape, which share a network and a normaliser, each with scales and shifts of its own. */
export interface Group {
  /** `in`×`out`. */
  readonly name: string
  readonly in: number
  readonly out: number
  readonly sites: readonly string[]
}

/** Rows of gradients in two factors: what a map read, `[rows, in]`, and the gradient at what it gave, `[rows, out]`. */
export interface Factors {
  readonly inputs: Float32Array
  readonly gradients: Float32Array
}

/** Means and spreads of rows so far, `[in + out]` (Welford). */
export interface Spread {
  count: number
  readonly mean: Float64Array
  readonly squares: Float64Array
}

/** What turns a gradient's factors into an edit's: networks by group, spreads, and how far each map goes. */
export interface Editor {
  readonly groups: readonly Group[]
  /** `GROUP.LAYER.u` and so on, and `lr`, a number for each map. */
  readonly weights: ReadonlyMap<string, Float32Array>
  readonly spreads: ReadonlyMap<string, Spread>
  readonly rank: number
}

export function groupsOf(model: LanguageModel, sites: readonly string[]): Group[] {
  const groups = new Map<string, Group & { readonly sites: string[] }>()
  for (const site of sites) {
    const [out, width] = model.weightShape(`${site}.weight`) as [number, number]
    const name = `${width}x${out}`
    const known = groups.get(name)
    if (known === undefined) groups.set(name, { name, in: width, out, sites: [site] })
    else known.sites.push(site)
  }
  return [...groups.values()]
}

/** An editor of zeros. */
function blankEditor(model: LanguageModel, sites: readonly string[], rank: number): Editor {
  const groups = groupsOf(model, sites)
  const weights = new Map<string, Float32Array>()
  const spreads = new Map<string, Spread>()
  for (const { name, in: width, out, sites: own } of groups) {
    const dim = width + out
    const inside = Math.min(rank, dim)
    for (let layer = 0; layer < LAYERS; layer++) {
      weights.set(`${name}.${layer}.u`, new Float32Array(dim * inside))
      weights.set(`${name}.${layer}.v`, new Float32Array(inside * dim))
      weights.set(`${name}.${layer}.bias`, new Float32Array(dim))
      weights.set(`${name}.${layer}.scale`, new Float32Array(own.length * dim))
      weights.set(`${name}.${layer}.shift`, new Float32Array(own.length * dim))
    }
    spreads.set(name, { count: 0, mean: new Float64Array(dim), squares: new Float64Array(dim) })
  }
  weights.set('lr', new Float32Array(sites.length))
  return { groups, weights, spreads, rank }
}

/** An editor that gives what it gets: u is zero, v of normal numbers. */
export function newEditor(
  model: LanguageModel,
  sites: readonly string[],
  rank: number,
  editLr: number,
  seed: number
): Editor {
  const editor = blankEditor(model, sites, rank)
  editor.weights.get('lr')!.fill(editLr)
  for (const { name } of editor.groups)
    for (let layer = 0; layer < LAYERS; layer++) {
      const random = randomStream(seed, 'mend', `${name}.${layer}`)
      const v = editor.weights.get(`${name}.${layer}.v`)!
      for (let i = 0; i < v.length; i++) v[i] = random.normal()
      editor.weights.get(`${name}.${layer}.scale`)!.fill(1)
    }
  return editor
}

/** Shape of an editor's weight. */
function shapeOf({ groups, weights, rank }: Editor, name: string): number[] {
  const group = groups.find((g) => name.startsWith(`${g.name}.`))
  if (group === undefined) return [weights.get(name)!.length]
  const dim = group.in + group.out
  const inside = Math.min(rank, dim)
  const kind = name.slice(name.lastIndexOf('.') + 1)
  if (kind === 'u') return [dim, inside]
  if (kind === 'v') return [inside, dim]
  return kind === 'bias' ? [1, dim] : [group.sites.length, dim]
}

/** All weights as tensors, in the order of the map. */
export const tensorsOf = (editor: Editor): tf.Tensor[] =>
  [...editor.weights].map(([name, data]) => tf.tensor(data, shapeOf(editor, name)))

/** Counts rows of a map among those of its group, one after another. */
export function count(spread: Spread, { inputs, gradients }: Factors, rows: number): void {
  const { mean, squares } = spread
  const [width, out] = [inputs.length / rows, gradients.length / rows]
  for (let row = 0; row < rows; row++) {
    spread.count++
    for (let i = 0; i < width + out; i++) {
      const x = i < width ? inputs[row * width + i]! : gradients[row * out + i - width]!
      const before = mean[i]!
      mean[i] = before + (x - before) / spread.count
      squares[i] = squares[i]! + (x - before) * (x - mean[i]!)
    }
  }
}

/** Rows less the means, over the spreads: `[rows, in + out]`. */
export function normalised(
  { count: n, mean, squares }: Spread,
  { inputs, gradients }: Factors,
  rows: number
): Float32Array {
  const [width, out] = [inputs.length / rows, gradients.length / rows]
  const dim = width + out
  const result = new Float32Array(rows * dim)
  const spread = squares.map((s) => Math.sqrt(s / (n - 1)) + EPSILON)
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < dim; i++) {
      const x = i < width ? inputs[row * width + i]! : gradients[row * out + i - width]!
      result[row * dim + i] = (x - mean[i]!) / spread[i]!
    }
  return result
}

/**
 * The network of a map: two low-rank layers, each x + max(0, scale ∘ (u v x + b) + shift).
 * @param weights all of the editor's, by name
 * @param rows normalised, `[rows, in + out]`
 */
export function transformed(
  group: Group,
  site: string,
  weights: ReadonlyMap<string, tf.Tensor>,
  rows: tf.Tensor2D
): tf.Tensor2D {
  const mode = group.sites.indexOf(site)
  let z = rows
  for (let layer = 0; layer < LAYERS; layer++) {
    const of = (kind: string) => weights.get(`${group.name}.${layer}.${kind}`) as tf.Tensor2D
    const own = (kind: string) => tf.slice(of(kind), [mode, 0], [1, -1])
    const inside = tf.matMul(z, of('v'), false, true) // [rows, rank]
    const before = tf.matMul(inside, of('u'), false, true).add(of('bias')).mul(own('scale')).add(own('shift'))
    // Where both are equal, as at first they all are, the gradient goes to what can be learnt (tf.relu's does not).
    z = tf.maximum(before, tf.zerosLike(before)).add(z) as tf.Tensor2D
  }
  return z
}

/** What is stored of an editor. */
export function artifactOf({ groups, weights, spreads }: Editor, json: Readonly<Record<string, unknown>>): Artifact {
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> = {}
  for (const [name, data] of weights) tensors[name] = { shape: [data.length], data }
  for (const { name } of groups) {
    const { count: n, mean, squares } = spreads.get(name)!
    const data = joined([Float32Array.of(n), Float32Array.from(mean), Float32Array.from(squares)])
    tensors[`${name}.spread`] = { shape: [data.length], data }
  }
  return { tensors, json }
}

/** The editor that an artifact holds. */
export function editorOf(model: LanguageModel, sites: readonly string[], rank: number, { tensors }: Artifact): Editor {
  const made = blankEditor(model, sites, rank)
  for (const [name, data] of made.weights) data.set(tensors[name]!.data)
  for (const [name, spread] of made.spreads) {
    const { data } = tensors[`${name}.spread`]!
    const dim = spread.mean.length
    spread.count = data[0]!
    spread.mean.set(data.subarray(1, 1 + dim))
    spread.squares.set(data.subarray(1 + dim))
  }
  return made
}
