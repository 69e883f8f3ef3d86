import * as tf from '@tensorflow/tfjs-core'
import {
  disposeCache,
  type KeyValueCache,
  type LanguageModel,
  type Positions,
  rowsOfCache,
  type SiteName
} from '../../harness/model'
import { crossEntropy } from '../../harness/tensor'
import { concatenated, pastOf, stacked } from '../passes'
import type { FactRow, LocatedFact } from './facts'
import type { SubjectState } from './key'

/** What is changed at the subject's last token: what W_proj gives (ROME's value), or the residual stream after the block (MEMIT's z). */
export type ChangedAt = 'mlp' | 'block'

/** The objective of one fact, and its gradient for the change of the value, `[dim]`. */
export interface Evaluation {
  /** Mean over the contexts and the target's tokens of −log P, in nats. */
  readonly nll: number
  /** KL(now ‖ before) of what follows the subject. */
  readonly kl: number
  /** Zero where it was not asked for. */
  readonly gradient: Float32Array
}

interface Row extends FactRow {
  readonly fact: number
  readonly state: SubjectState
  /** Share of each of its labels in the fact's mean. */
  readonly share: number
}

/** Rows that run together, with what does not depend on the values. */
interface Bundle {
  readonly rows: readonly Row[]
  /** Residual stream from the subject's last token on, `[rows, seq, dim]`. */
  readonly suffix: tf.Tensor3D
  /** What W_proj gives at the subject's last token before the edit, `[rows, dim]`. */
  readonly values: tf.Tensor2D
  /** Keys and values of the tokens before it, in the blocks above the edited one. */
  readonly past: KeyValueCache | undefined
  /** What the block above the edited one makes of the tokens after it, by site, as far as only their own stream decides that; undefined where nothing is gained. */
  readonly settled: ReadonlyMap<SiteName, tf.Tensor3D> | undefined
  /** Log probabilities of the drift rows before the edit, `[drift rows, vocab]`. */
  readonly before: tf.Tensor2D
}

/** Padded tokens that run together: large enough for the matrix products, small enough for the caches. */
const TOKENS = 512
/** What a pass costs besides its tokens, in tokens of a small model: rows of unlike lengths share a pass while their padding costs less. */
const PASS = 64

/**
 * nll + kl_factor · kl of some facts as a function of the changes of their values (Meng et al. 2022, eq. 4). Nothing before the subject's last
 * token depends on the value, so only the positions from there on run, over the keys and values of those before, through the blocks above
 * the edited one. Rows of like lengths run together, so that company costs no padding.
 */
export class ValueObjective {
  readonly #model: LanguageModel
  readonly #layer: number
  readonly #at: ChangedAt
  readonly #klFactor: number
  #bundles: readonly Bundle[]

  constructor(
    model: LanguageModel,
    facts: readonly LocatedFact[],
    { layer, kl_factor, at = 'mlp' }: { readonly layer: number; readonly kl_factor: number; readonly at?: ChangedAt }
  ) {
    this.#at = at
    this.#model = model
    this.#layer = layer
    this.#klFactor = kl_factor
    const rows = facts.flatMap(({ contexts, drift, states }, fact) =>
      [...contexts, drift].map((row, i) => {
        const share = 1 / (contexts.length * Math.max(1, row.labels.length))
        return { ...row, fact, state: states[i]!, share }
      })
    )
    this.#bundles = alike(rows).map((some) => bundleOf(model, some, layer))
  }

  /**
   * @param deltas changes of the values of all facts, `[dim]` each
   * @param withGradient false where no step follows
   */
  evaluate(deltas: readonly Float32Array[], withGradient: boolean): Evaluation[] {
    const facts = deltas.length
    const dim = deltas[0]!.length
    const flat = new Float32Array(facts * dim)
    for (const [i, delta] of deltas.entries()) flat.set(delta, i * dim)
    const objective = new Float64Array(2 * facts)
    const gradient = new Float32Array(facts * dim)
    for (const bundle of this.#bundles) {
      tf.tidy(() => {
        const weights = tf.tensor2d([...Array(facts).fill(1), ...Array(facts).fill(this.#klFactor)], [2, facts])
        const f = (delta: tf.Tensor) => shareOf(this.#model, this.#layer, this.#at, bundle, delta as tf.Tensor2D)
        const delta = tf.tensor2d(flat, [facts, dim])
        if (!withGradient) {
          addTo(objective, f(delta).dataSync())
          return
        }
        const { value, grad } = tf.valueAndGrad(f)(delta, weights)
        addTo(objective, value.dataSync())
        addTo(gradient, grad.dataSync())
      })
    }
    return deltas.map((_, i) => ({
      nll: objective[i]!,
      kl: objective[facts + i]!,
      gradient: gradient.slice(i * dim, (i + 1) * dim)
    }))
  }

  /** Leaves out the facts that are done. */
  only(facts: ReadonlySet<number>): void {
    this.#bundles = this.#bundles.flatMap((bundle) => narrowed(bundle, facts))
  }

  dispose(): void {
    for (const bundle of this.#bundles) disposeBundle(bundle)
  }
}

/** What a bundle's rows add to nll and kl of the facts: delta `[facts, dim]` -> `[2, facts]`. */
function shareOf(model: LanguageModel, layer: number, at: ChangedAt, bundle: Bundle, delta: tf.Tensor2D): tf.Tensor2D {
  const [facts] = delta.shape
  const labelled = labelsOf(bundle.rows)
  const drift = bundle.rows.flatMap((row, i) =>
    row.labels.length === 0 ? [{ row: i, fact: row.fact, at: 0, share: 1 }] : []
  )
  const logits = logitsOf(model, layer, at, bundle, delta, positions([...labelled, ...drift])) // [labels + drift, vocab]
  const [, vocab] = logits.shape
  const said = tf.slice(logits, [0, 0], [labelled.length, vocab])
  const labels = tf.tensor1d(
    labelled.map((l) => l.label),
    'int32'
  )
  const nll = labelled.length === 0 ? tf.zeros([facts]) : perFact(crossEntropy(said, labels), labelled, facts)
  if (drift.length === 0) return tf.stack([nll, tf.zeros([facts])]) as tf.Tensor2D
  const now = tf.logSoftmax(tf.slice(logits, [labelled.length, 0], [drift.length, vocab]))
  const divergence = now.exp().mul(now.sub(bundle.before)).sum(1) as tf.Tensor1D // [drift rows]
  return tf.stack([nll, perFact(divergence, drift, facts)]) as tf.Tensor2D
}

/** Sums of values `[n]` by the fact they belong to, each with its share: `[facts]`. */
function perFact(
  values: tf.Tensor1D,
  of: readonly { readonly fact: number; readonly share: number }[],
  facts: number
): tf.Tensor1D {
  const shares = new Float32Array(facts * of.length)
  for (const [i, { fact, share }] of of.entries()) shares[fact * of.length + i] = share
  return tf.tensor2d(shares, [facts, of.length]).mul(values).sum(1)
}

/** Logits at some places of a bundle whose values are changed: delta `[facts, dim]` -> `[places, vocab]`. */
function logitsOf(
  model: LanguageModel,
  layer: number,
  changed: ChangedAt,
  { rows, suffix, values, past, settled }: Bundle,
  delta: tf.Tensor2D,
  logitsAt: Positions
): tf.Tensor2D {
  const [batch, seq, dim] = suffix.shape
  const facts = Int32Array.from(rows, (r) => r.fact)
  const ofRow = tf.gather(delta, tf.tensor1d(facts, 'int32')) as tf.Tensor2D // [rows, dim]
  const effect = changed === 'mlp' ? model.mlpEffect(layer, values, ofRow) : ofRow
  const perRow = effect.reshape([batch, 1, dim])
  const added = seq > 1 ? tf.concat([perRow, tf.zeros([batch, seq - 1, dim])], 1) : perRow
  const hidden = suffix.add(added) as tf.Tensor3D
  return model.forward(tokensOf(rows, batch, seq), {
    from: { layer: layer + 1, hidden },
    logitsAt,
    logitsOnly: true,
    ...(settled === undefined ? {} : { settled }),
    ...(past === undefined ? {} : { past })
  }).logits!
}

/** Tokens whose stream is given: their ids play no part. */
const tokensOf = (rows: readonly FactRow[], batch: number, seq: number) => ({
  ids: new Int32Array(batch * seq),
  batch,
  seq,
  lengths: rows.map(lengthOf)
})

/** Tokens of a row from the subject's last one on. */
const lengthOf = ({ ids, subject }: FactRow): number => ids.length - subject

const labelsOf = (rows: readonly Row[]) =>
  rows.flatMap((row, i) =>
    row.labels.map((label, j) => ({
      row: i,
      fact: row.fact,
      label,
      at: lengthOf(row) - row.labels.length + j,
      share: row.share
    }))
  )

const positions = (places: readonly { readonly row: number; readonly at: number }[]): Positions => ({
  rows: Int32Array.from(places, (p) => p.row),
  positions: Int32Array.from(places, (p) => p.at)
})

/** Cuts rows into those that run together: of like lengths, and as many as fit. */
function alike(rows: readonly Row[]): Row[][] {
  const bundles: Row[][] = []
  let longest = 0
  let padding = 0
  for (const row of [...rows].sort((a, b) => lengthOf(b) - lengthOf(a))) {
    const bundle = bundles.at(-1)
    padding += longest - lengthOf(row)
    if (bundle !== undefined && padding <= PASS && (bundle.length + 1) * longest <= TOKENS) bundle.push(row)
    else {
      bundles.push([row])
      longest = lengthOf(row)
      padding = 0
    }
  }
  return bundles
}

function bundleOf(model: LanguageModel, rows: readonly Row[], layer: number): Bundle {
  const { dim, vocab } = model.config
  const suffix = stacked(
    rows.map((r) => r.state.hidden.subarray(r.subject * dim)),
    dim
  )
  const prefixes = rows.map((r) => r.state.hidden.subarray(0, r.subject * dim))
  const past = pastOf(model, prefixes, layer + 1)
  const bundle = {
    rows,
    suffix,
    values: tf.tensor2d(
      concatenated(
        rows.map((r) => r.state.value),
        dim
      ),
      [rows.length, dim]
    ),
    past,
    settled: settledOf(model, rows, layer, suffix, past),
    before: tf.zeros<tf.Rank.R2>([0, vocab])
  }
  const drift = new Set(rows.flatMap((row, i) => (row.labels.length === 0 ? [i] : [])))
  if (drift.size === 0) return bundle
  const before = tf.tidy(() => {
    const alone = rowsOf(bundle, [...drift])
    const logitsAt = positions(alone.rows.map((_, i) => ({ row: i, at: 0 })))
    const facts = Math.max(...alone.rows.map((r) => r.fact)) + 1
    // Nothing is changed yet, wherever it will be.
    return tf.logSoftmax(logitsOf(model, layer, 'block', alone, tf.zeros([facts, dim]), logitsAt)) as tf.Tensor2D
  })
  bundle.before.dispose()
  return { ...bundle, before }
}

/** Some rows of a bundle, in tensors of their own, without what they were before. */
function rowsOf({ rows, suffix, values, past, settled, before }: Bundle, keep: readonly number[]): Bundle {
  const at = tf.tensor1d([...keep], 'int32')
  const pick = <T extends tf.Tensor>(t: T): T => tf.gather(t, at)
  const some = {
    rows: keep.map((i) => rows[i]!),
    suffix: pick(suffix),
    values: pick(values),
    past: past && rowsOfCache(past, keep),
    settled: settled && new Map([...settled].map(([site, t]) => [site, pick(t)])),
    before
  }
  at.dispose()
  return some
}

/** The bundle of the facts that go on, in place of the whole one; none when they have no row in it. */
function narrowed(bundle: Bundle, facts: ReadonlySet<number>): Bundle[] {
  const keep = bundle.rows.flatMap((row, i) => (facts.has(row.fact) ? [i] : []))
  if (keep.length === bundle.rows.length) return [bundle]
  if (keep.length === 0) {
    disposeBundle(bundle)
    return []
  }
  const drift = bundle.rows.flatMap((row, i) => (row.labels.length === 0 ? [i] : []))
  const kept = drift.flatMap((i, place) => (keep.includes(i) ? [place] : []))
  const before = tf.tidy(() => tf.gather(bundle.before, tf.tensor1d(kept, 'int32')))
  const some = { ...rowsOf(bundle, keep), before }
  disposeBundle(bundle)
  return [some]
}

function disposeBundle({ suffix, values, past, settled, before }: Bundle): void {
  tf.dispose([suffix, values, before, ...(settled?.values() ?? [])])
  disposeCache(past)
}

/** Whether the block above an edited one need not compute everything anew: it is not the last, which works for the logits' positions alone. */
export const settles = (model: LanguageModel, layer: number): boolean => layer + 2 < model.config.layers

function settledOf(
  model: LanguageModel,
  rows: readonly Row[],
  layer: number,
  suffix: tf.Tensor3D,
  past: KeyValueCache | undefined
): Bundle['settled'] {
  const [batch, seq] = suffix.shape
  if (seq === 1 || !settles(model, layer)) return undefined
  const sites = model.streamSites(layer + 1)
  const known = new Map<SiteName, tf.Tensor3D>()
  tf.tidy(() => {
    const { captured } = model.forward(tokensOf(rows, batch, seq), {
      from: { layer: layer + 1, hidden: suffix },
      to: layer + 2,
      capture: sites,
      ...(past === undefined ? {} : { past })
    })
    for (const site of sites) known.set(site, tf.keep(tf.slice(captured[site]!, [0, 1, 0], [-1, -1, -1])))
  })
  return known
}

function addTo(sum: Float32Array | Float64Array, values: ArrayLike<number>): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!
}
