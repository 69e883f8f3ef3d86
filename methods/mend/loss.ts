import * as tf from '@tensorflow/tfjs-core'
import { type LanguageModel, padBatch } from '../../harness/model'
import { crossEntropy } from '../../harness/tensor'
import type { AnswerRow } from '../answer-row'
import { count, type Editor, type Group, normalised, tensorsOf, transformed } from './editor'
import { factorsOf, type RowFactors } from './factors'

/** What an editor learns from: an edit, another way to ask for it, and a text that it is to leave alone. */
export interface Example {
  readonly edit: AnswerRow
  readonly asked: AnswerRow
  readonly kept: AnswerRow
}

export interface LossRules {
  readonly cedit: number
  readonly cloc: number
}

/** Factors of several edits at one map, and which edit each row is of. */
interface SiteRows {
  readonly site: string
  readonly group: Group
  /** Normalised, `[rows, in + out]`. */
  readonly rows: Float32Array
  readonly count: number
  /** For every edit and slot the row that is there, or `count` for none, `[edits · slots]`. */
  readonly slots: Int32Array
}

export interface Losses {
  readonly edit: number
  readonly kept: number
  readonly total: number
}

/**
 * Mean over examples of cedit · −log P(target | another way to ask) + cloc · KL(before ‖ after) of what is to be kept, under each example's own edit
 * (Mitchell et al. 2022, algorithm 1), and its gradient for every weight of the editor. Only blocks from the first edited one on are differentiated.
 * @param training counts the rows of gradients among those that the normalisers know
 */
export function editorLoss(
  model: LanguageModel,
  editor: Editor,
  examples: readonly Example[],
  sites: readonly string[],
  lowest: number,
  rules: LossRules,
  training: boolean
): { losses: Losses; gradients: ReadonlyMap<string, Float32Array> } {
  const edits = examples.map((e) => e.edit)
  const factors = factorsOf(
    model,
    edits,
    edits.map((e) => 1 / e.labels.length),
    sites,
    lowest
  )
  const rows = sites.map((site) => siteRows(editor, site, factors, training))
  const names = [...editor.weights.keys()]
  let losses: Losses = { edit: Number.NaN, kept: Number.NaN, total: Number.NaN }
  let gradients: Float32Array[] = []
  tf.tidy(() => {
    const asked = passOf(
      model,
      examples.map((e) => e.asked),
      lowest,
      'labels'
    )
    const kept = passOf(
      model,
      examples.map((e) => e.kept),
      lowest,
      'all'
    )
    const before = tf.logSoftmax(kept.logits(new Map()))
    const shares = (pass: Pass) => tf.tensor1d(pass.shares.map((s) => s / examples.length))
    const loss = (...weights: tf.Tensor[]): tf.Scalar => {
      const named = new Map(names.map((name, i) => [name, weights[i]!]))
      const changes = new Map(rows.map((r, i) => [r.site, changeOf(r, examples.length, named, i)]))
      const nll = crossEntropy(asked.logits(changes), tf.tensor1d([...asked.labels], 'int32'))
        .mul(shares(asked))
        .sum()
      const after = tf.logSoftmax(kept.logits(changes))
      const kl = before.exp().mul(before.sub(after)).sum(1).mul(shares(kept)).sum()
      const total = nll.mul(rules.cedit).add(kl.mul(rules.cloc)) as tf.Scalar
      losses = { edit: nll.dataSync()[0]!, kept: kl.dataSync()[0]!, total: total.dataSync()[0]! }
      return total
    }
    const weights = tensorsOf(editor)
    if (training)
      gradients = tf
        .grads(loss)(weights)
        .map((g) => g.dataSync() as Float32Array)
    else loss(...weights)
  })
  return { losses, gradients: new Map(gradients.map((g, i) => [names[i]!, g])) }
}

/** The rows of a map, each edit's in slots of its own. */
function siteRows(editor: Editor, site: string, factors: readonly RowFactors[], training: boolean): SiteRows {
  const group = editor.groups.find((g) => g.sites.includes(site))!
  const spread = editor.spreads.get(group.name)!
  const own = factors.map((f) => f.sites.get(site)!)
  if (training) for (const f of own) count(spread, f, f.rows)
  const most = Math.max(...own.map((f) => f.rows))
  const all = own.reduce((sum, f) => sum + f.rows, 0)
  const dim = group.in + group.out
  const rows = new Float32Array(all * dim)
  const slots = new Int32Array(own.length * most).fill(all)
  let at = 0
  for (const [edit, f] of own.entries()) {
    if (f.rows === 0) continue
    rows.set(normalised(spread, f, f.rows), at * dim)
    for (let row = 0; row < f.rows; row++) slots[edit * most + row] = at++
  }
  return { site, group, rows, count: all, slots }
}

/** What the edits do at a map, row i of a batch under edit i: y + lr · (x ũᵀ) δ̃. */
function changeOf(
  { site, group, rows, count: all, slots }: SiteRows,
  edits: number,
  weights: ReadonlyMap<string, tf.Tensor>,
  index: number
) {
  const dim = group.in + group.out
  const out = transformed(group, site, weights, tf.tensor2d(rows, [all, dim]))
  // What is in no edit's slot is zero.
  const padded = tf.concat([out, tf.zeros([1, dim])], 0)
  const placed = tf.gather(padded, tf.tensor1d(slots, 'int32')).reshape([edits, slots.length / edits, dim])
  const inputs = tf.slice(placed, [0, 0, 0], [-1, -1, group.in])
  const gradients = tf.slice(placed, [0, 0, group.in], [-1, -1, -1])
  const lr = tf.slice(weights.get('lr')!, [index], [1])
  return (x: tf.Tensor3D, y: tf.Tensor3D): tf.Tensor3D =>
    y.add(tf.matMul(tf.matMul(x, inputs, false, true), gradients).mul(lr)) as tf.Tensor3D
}

/** A batch of rows that is run under changes, from the first edited block on. */
interface Pass {
  readonly labels: readonly number[]
  /** Of every place in its row's mean. */
  readonly shares: readonly number[]
  logits(changes: ReadonlyMap<string, (x: tf.Tensor3D, y: tf.Tensor3D) => tf.Tensor3D>): tf.Tensor2D
}

/** @param where logits are wanted: where labels are predicted, or at all tokens */
function passOf(model: LanguageModel, rows: readonly AnswerRow[], lowest: number, where: 'labels' | 'all'): Pass {
  const tokens = { ...padBatch(rows.map((r) => r.ids)), prompts: rows.map((r) => r.first + 1) }
  const hidden = model.forward(tokens, { to: lowest }).hidden
  const at = rows.flatMap((r, row) =>
    where === 'labels'
      ? r.labels.map((_, j) => ({ row, position: r.first + j, share: 1 / r.labels.length }))
      : r.ids.map((_, position) => ({ row, position, share: 1 / r.ids.length }))
  )
  const logitsAt = { rows: Int32Array.from(at, (a) => a.row), positions: Int32Array.from(at, (a) => a.position) }
  return {
    labels: rows.flatMap((r) => r.labels),
    shares: at.map((a) => a.share),
    logits: (changes) => model.forward(tokens, { from: { layer: lowest, hidden }, logitsAt, changes }).logits!
  }
}
