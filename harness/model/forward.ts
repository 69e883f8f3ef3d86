import * as tf from '@tensorflow/tfjs-core'
import { closestTo } from '../closest'
import { UserError } from '../errors'
import { attention, layerNorm, linear, mergeHeads, rmsNorm, rotary, splitHeads } from '../tensor'
import type { Architecture, Pass } from './architectures'
import { isTouched, picked, pickedTables, type Queries, queriesOf, queryMask } from './queries'
import { type RotaryTables, rotaryTables } from './rotary'
import { hasSite } from './sites'
import type { ForwardOptions, ForwardResult, KeyValueCache, ModelConfig, RowPlaces, TokenBatch } from './types'

/** The weights a pass reads. */
export interface Weights {
  get(name: string): tf.Tensor | undefined
  has(name: string): boolean
}

/**
 * Runs a batch through the blocks from..to-1. Must be called inside tf.tidy or its result disposed by the caller.
 * See `LanguageModel.forward` for the meaning of the options.
 */
export function forward(
  architecture: Architecture,
  config: ModelConfig,
  weights: Weights,
  batch: TokenBatch,
  options: ForwardOptions
): ForwardResult {
  const pass = new ForwardPass(architecture, config, weights, batch, options)
  const first = options.from?.layer ?? 0
  const last = options.to ?? config.layers
  let x = options.from?.hidden ?? pass.embed() // [batch, seq, dim]
  for (let layer = first; layer < last; layer++) {
    x = pass.change(`layers.${layer}.in`, x, x)
    x = pass.change(`layers.${layer}.out`, x, architecture.block(pass, layer, x))
  }
  const logits = options.logitsAt === undefined ? undefined : pass.head(x) // [positions, vocab]
  pass.checkSites()
  return {
    hidden: x,
    captured: pass.captured,
    ...(logits === undefined ? {} : { logits }),
    ...(options.keepCache === true ? { cache: pass.cache() } : {})
  }
}

class ForwardPass implements Pass {
  readonly captured: Record<string, tf.Tensor3D> = {}
  readonly #capture: ReadonlySet<string>
  readonly #keys = new Map<number, tf.Tensor4D>()
  readonly #values = new Map<number, tf.Tensor4D>()
  /** Position of every token, `[batch · seq]`. */
  readonly #positions: Int32Array
  /** Blocks with a window may have their own. */
  readonly #rotary = new Map<boolean, RotaryTables>()
  readonly #keyMask: tf.Tensor2D | undefined
  readonly #places: RowPlaces
  /** What the last block works for, where that is not all. */
  readonly #queries: Queries | undefined
  /** Of the first block, what is known of all but the first positions. */
  readonly #settled: ForwardOptions['settled']
  /** Sites the pass came by. */
  readonly #passed = new Set<string>()

  constructor(
    readonly architecture: Architecture,
    readonly config: ModelConfig,
    readonly weights: Weights,
    readonly batch: TokenBatch,
    readonly options: ForwardOptions
  ) {
    this.#capture = new Set(options.capture)
    this.#places = placesOf(batch, options.past)
    this.#positions = positionsOf(batch, options.past)
    const end = Math.max(0, ...this.#positions)
    if (end >= config.maxPositions) {
      throw new UserError(`a text of ${end + 1} tokens is longer than the model's ${config.maxPositions} positions`)
    }
    this.#keyMask = options.past === undefined ? undefined : keyMask(batch, options.past)
    this.#queries = queriesOf(config, batch, options)
    const first = options.from?.layer ?? 0
    // A first block that is the last as well may work for some positions only.
    const alone = this.#queriesOf(first) === undefined
    this.#settled = options.keepCache !== true && alone && !isTouched(first, options) ? options.settled : undefined
  }

  embed(): tf.Tensor3D {
    const { batch, seq, ids } = this.batch
    const { embedScale, positionOffset = 0 } = this.config
    const words = tf.gather(this.#weight('embed.weight'), tf.tensor1d(ids, 'int32')) // [batch·seq, dim]
    const embedded = embedScale === undefined ? words : words.mul(embedScale)
    const learnt = this.#find('positions.weight')
    const at = () => this.#positions.map((position) => position + positionOffset)
    const x = learnt === undefined ? embedded : embedded.add(tf.gather(learnt, tf.tensor1d(at(), 'int32')))
    const embedded3d: tf.Tensor3D = x.reshape([batch, seq, this.config.dim])
    return this.change('embed', embedded3d, embedded3d)
  }

  site(name: string, input: tf.Tensor3D, compute: (x: tf.Tensor3D) => tf.Tensor3D): tf.Tensor3D {
    const settled = this.#settled?.get(name)
    if (settled !== undefined) {
      const first = tf.slice(input, [0, 0, 0], [-1, 1, -1])
      return tf.concat([compute(first), settled], 1)
    }
    const x = this.change(`${name}:in`, input, input)
    return this.change(name, x, compute(x))
  }

  linear(site: string, input: tf.Tensor3D): tf.Tensor3D {
    const weight = this.#weight(`${site}.weight`) as tf.Tensor2D // [out, in]
    const bias = this.#find(`${site}.bias`) as tf.Tensor1D | undefined
    return this.site(site, input, (x) => linear(x, weight, bias)) // [batch, seq, out]
  }

  norm(name: string, x: tf.Tensor3D): tf.Tensor3D {
    return this.#norm(name, x)
  }

  #norm<T extends tf.Tensor>(name: string, x: T): T {
    const gain = this.#weight(`${name}.weight`) as tf.Tensor1D
    const bias = this.#find(`${name}.bias`) as tf.Tensor1D | undefined
    const { normEps } = this.config
    return bias === undefined ? rmsNorm(x, gain, normEps) : layerNorm(x, gain, bias, normEps)
  }

  asked(layer: number, x: tf.Tensor3D): tf.Tensor3D {
    const queries = this.#queriesOf(layer)
    return queries === undefined ? x : picked(x, queries.at, queries.count)
  }

  #queriesOf(layer: number): Queries | undefined {
    return layer === this.config.layers - 1 ? this.#queries : undefined
  }

  attention(layer: number, x: tf.Tensor3D): tf.Tensor3D {
    const site = `layers.${layer}.attn`
    const { heads, kvHeads, attentionScale, attentionSoftcap, windows } = this.config
    const queries = this.#queriesOf(layer)
    const tables = this.#rotaryOf(layer)
    const turned = (t: tf.Tensor4D, by = tables) =>
      by === undefined ? t : rotary(t, by.cos, by.sin, this.architecture.rotaryStyle)
    const ofQueries = queries && tables && pickedTables(tables, queries)
    const normed = (part: string, t: tf.Tensor4D) =>
      this.#find(`${site}.${part}.norm.weight`) === undefined ? t : this.#norm(`${site}.${part}.norm`, t)
    const asked = this.linear(`${site}.q`, this.asked(layer, x))
    const q = turned(normed('q', splitHeads(asked, heads)), ofQueries ?? tables) // [batch, heads, seq, headDim]
    const newKeys = turned(normed('k', splitHeads(this.linear(`${site}.k`, x), kvHeads))) // [batch, kvHeads, seq, headDim]
    const newValues = splitHeads(this.linear(`${site}.v`, x), kvHeads)
    const before = this.options.past
    const past = before && { keys: before.keys.get(layer), values: before.values.get(layer) }
    const k = past?.keys === undefined ? newKeys : tf.concat([past.keys, newKeys], 2) // [batch, kvHeads, past + seq, headDim]
    const v = past?.values === undefined ? newValues : tf.concat([past.values, newValues], 2)
    if (this.options.keepCache === true) {
      this.#keys.set(layer, k)
      this.#values.set(layer, v)
    }
    const window = windows?.[layer] ?? undefined
    const mask = queries === undefined ? this.#keyMask : queryMask(this.batch, this.options.past, queries, window)
    // [batch, heads, seq, headDim]
    const mixed = attention(q, k, v, {
      ...(mask === undefined ? {} : { keyMask: mask }),
      ...(attentionScale === undefined ? {} : { scale: attentionScale }),
      ...(attentionSoftcap === undefined ? {} : { softcap: attentionSoftcap }),
      ...(window === undefined ? {} : { window })
    })
    return this.linear(`${site}.out`, mergeHeads(mixed))
  }

  /** Rotary tables of a block, made once for all blocks that share them. */
  #rotaryOf(layer: number): RotaryTables | undefined {
    const { rotaryDim, rotaryTheta, rotaryScaling, windowRotaryTheta, windowRotaryScaling, windows } = this.config
    if (rotaryDim === 0) return undefined
    const own = windowRotaryTheta !== undefined && (windows?.[layer] ?? null) !== null
    const known = this.#rotary.get(own)
    if (known !== undefined) return known
    const [theta, scaling] = own ? [windowRotaryTheta, windowRotaryScaling] : [rotaryTheta, rotaryScaling]
    const tables = rotaryTables(rotaryDim, theta, scaling, this.#positions, this.batch)
    this.#rotary.set(own, tables)
    return tables
  }

  /** What leaves a site whose input is x and whose output would be y. */
  change(site: string, x: tf.Tensor3D, y: tf.Tensor3D, rows = this.#places.rows): tf.Tensor3D {
    this.#passed.add(site)
    const changed = this.options.changes?.get(site)?.(x, y, { ...this.#places, rows }) ?? y
    if (this.#capture.has(site)) this.captured[site] = changed
    return changed
  }

  /** @throws UserError for a site to capture that the pass did not come by, and one to change that the model does not have */
  checkSites(): void {
    const passed = (site: string) => this.#passed.has(site)
    const missing =
      [...this.#capture].find((site) => !passed(site)) ??
      [...(this.options.changes?.keys() ?? [])].find(
        (site) => !passed(site) && !hasSite(site, this.config, this.weights)
      )
    if (missing === undefined) return
    throw new UserError(`the pass does not come by the site '${missing}'${closestTo(missing, [...this.#passed])}`)
  }

  /** Final norm and output embedding at the asked positions only: `[positions, vocab]`. */
  head(x: tf.Tensor3D): tf.Tensor2D {
    const { rows, positions } = this.options.logitsAt!
    const { batch, seq } = this.batch
    const flat = this.#queries?.places ?? Int32Array.from(rows, (row, i) => row * seq + positions[i]!)
    const count = this.#queries?.count ?? seq
    const at = tf.gather(x.reshape([batch * count, this.config.dim]), tf.tensor1d(flat, 'int32')) // [positions, dim]
    const head = this.#weight(this.config.tiedHead ? 'embed.weight' : 'head.weight') as tf.Tensor2D
    const normed = this.#norm('norm', at as tf.Tensor2D)
    const logits = linear(normed, head, this.#find('head.bias') as tf.Tensor1D)
    // A site's values have three dimensions: every position is a row of its own.
    const [asked, vocab] = logits.shape
    const changed = this.change(
      'head',
      normed.reshape([asked, 1, this.config.dim]),
      logits.reshape([asked, 1, vocab]),
      rows
    ).reshape([asked, vocab]) as tf.Tensor2D
    const { logitSoftcap: cap } = this.config
    return cap === undefined ? changed : changed.div(cap).tanh().mul(cap)
  }

  cache(): KeyValueCache {
    const past = (this.options.past?.past ?? 0) + this.batch.seq
    const lengths = this.batch.lengths.map((n, row) => n + (this.options.past?.lengths[row] ?? 0))
    return { keys: this.#keys, values: this.#values, lengths, past }
  }

  #find(name: string): tf.Tensor | undefined {
    return this.options.weights?.[name] ?? this.weights.get(name)
  }

  #weight(name: string): tf.Tensor {
    const weight = this.#find(name)
    if (weight === undefined) throw new Error(`the ${this.architecture.name} architecture has no weight '${name}'`)
    return weight
  }
}

function placesOf({ batch, lengths, prompts = [] }: TokenBatch, past: KeyValueCache | undefined): RowPlaces {
  const before = (row: number) => past?.lengths[row] ?? 0
  const promptEnd = lengths.map((length, row) => (prompts[row] ?? before(row) + length) - before(row) - 1)
  return { rows: Int32Array.from({ length: batch }, (_, row) => row), lengths, promptEnd }
}

/** Positions count on from each row's past. */
function positionsOf({ batch, seq }: TokenBatch, past: KeyValueCache | undefined): Int32Array {
  const positions = new Int32Array(batch * seq)
  for (let row = 0; row < batch; row++) {
    const start = past?.lengths[row] ?? 0
    for (let i = 0; i < seq; i++) positions[row * seq + i] = start + i
  }
  return positions
}

/** `[batch, past + seq]`: the past is padded on the left; causality hides the padding on the right. */
function keyMask({ batch, seq }: TokenBatch, { past, lengths }: KeyValueCache): tf.Tensor2D {
  const mask = new Float32Array(batch * (past + seq)).fill(1)
  for (let row = 0; row < batch; row++) mask.fill(0, row * (past + seq), row * (past + seq) + past - lengths[row]!)
  return tf.tensor2d(mask, [batch, past + seq])
}
