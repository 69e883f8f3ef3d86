import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import type { Edit, EditPart, EditRequest } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { joined, valuesOf } from '../../harness/tensor'
import { answerRow } from '../answer-row'
import { checkMaps, lowestOf, mlpMaps, refuseMissing } from '../mlp-maps'
import { defineMethod } from '../types'
import { type Editor, editorOf, type Group, normalised, tensorsOf, transformed } from './editor'
import { factorsOf, type RowFactors } from './factors'
import { trainEditor } from './train'

/** Names as in the configurations of eric-mitchell/mend. */
export const mendHyperparameters = z.strictObject({
  edit_modules: mlpMaps,
  reduction: z
    .enum(['mean', 'each'])
    .default('mean')
    .describe(
      "Loss of an edit of several facts: 'mean' over all their tokens (the code), 'each' fact's own mean, added up: what an editor that learnt from single edits knows"
    ),
  rank: z.number().int().min(1).default(1920).describe('Of the matrices of the networks, at most'),
  edit_lr: z.number().default(1e-4).describe('How far every map goes at first; learnt'),
  lr: z.number().positive().default(1e-6).describe('Learning rate of Adam for the networks'),
  lr_lr: z.number().positive().default(1e-4).describe('Of a second Adam for how far the maps go'),
  cedit: z.number().min(0).default(0.1).describe('Weight of the edit in other words'),
  cloc: z.number().min(0).default(1).describe('Weight of what is to be kept'),
  accumulate_bs: z.number().int().min(1).default(10).describe('Edits behind one step'),
  grad_clip: z.number().positive().default(100).describe('Longest gradient'),
  max_iters: z.number().int().min(1).default(100_000).describe('Edits that are learnt from, at most'),
  val_interval: z.number().int().min(1).default(1000).describe('Edits between looks at those held back'),
  early_stop_patience: z
    .number()
    .int()
    .min(1)
    .default(20_000)
    .describe('Edits without a better look after which training ends')
})
type MendHyperparameters = z.output<typeof mendHyperparameters>

/** All but what is done at the edit. */
const { reduction: _, ...learntBy } = mendHyperparameters.shape

/** Model Editor Networks with Gradient Decomposition: a network turns the two factors of a fine-tuning gradient into those of an edit (README.md). */
export const mend = defineMethod({
  name: 'mend',
  title: 'MEND',
  family: 'meta-learning',
  source: 'Mitchell et al. 2022, arXiv 2110.11309',
  holdsMany: true,
  hyperparameters: mendHyperparameters,
  /** Both maps of the last three MLPs. */
  defaults: ({ layers }) => ({
    edit_modules: [3, 2, 1]
      .filter((back) => back <= layers)
      .flatMap((back) => ['fc', 'proj'].map((map) => `layers.${layers - back}.mlp.${map}`))
  }),
  passesPerToken: (model, h) => 1 + 2 * (1 - lowestOf(h) / model.layers),
  check: (model, h) => checkMaps(model, h),
  trainedBy: Object.keys(learntBy),

  train(model, cases, h, context) {
    refuseMissing(model, h)
    return trainEditor(model, cases, h, lowestOf(h), context)
  },

  async prepare(model, h, _, artifact) {
    refuseMissing(model, h)
    return editorOf(model, h.edit_modules, h.rank, artifact!)
  },

  async *edit(model, groups, h, _, editor) {
    for (const group of groups) yield [edited(model, group, h, editor)]
  }
})

function edited(model: LanguageModel, requests: readonly EditRequest[], h: MendHyperparameters, editor: Editor): Edit {
  const lowest = lowestOf(h)
  const rows = requests.map((request) => answerRow(model, request))
  const labels = rows.reduce((sum, r) => sum + r.labels.length, 0)
  const factors = factorsOf(
    model,
    rows,
    rows.map((r) => 1 / (h.reduction === 'mean' ? labels : r.labels.length)),
    h.edit_modules,
    lowest
  )
  const parts = h.edit_modules.flatMap((site, i) => {
    const group = editor.groups.find((g) => g.sites.includes(site))!
    return partOf(site, group, factors, editor, editor.weights.get('lr')![i]!) ?? []
  })
  const flops = rows.reduce((sum, { ids, labels: own }) => {
    const [tokens, context] = [ids.length, ids.length]
    const pass = model.passFlops(tokens, { to: lowest, context })
    return sum + pass + model.passFlops(tokens, { from: lowest, context, logits: own.length, backward: true })
  }, 0)
  const networks = parts.reduce((sum, { rows: n, dim }) => sum + n * 8 * Math.min(h.rank, dim) * dim, 0)
  return {
    method: 'mend',
    requests,
    parts: parts.map((p) => p.part),
    diagnostics: {
      lossCurve: [factors.reduce((sum, f) => sum + f.loss, 0) / labels],
      flops: flops + networks
    }
  }
}

/** What the network makes of a map's rows: W += lr · Σ δ̃ ũᵀ, as the rows it is the product of, or as a matrix where those are more numbers. */
function partOf(
  site: string,
  group: Group,
  factors: readonly RowFactors[],
  editor: Editor,
  lr: number
): { part: EditPart; rows: number; dim: number } | undefined {
  const own = factors.map((f) => f.sites.get(site)!)
  const count = own.reduce((sum, f) => sum + f.rows, 0)
  if (count === 0) return undefined
  const { in: width, out } = group
  const dim = width + out
  const all = { inputs: joined(own.map((f) => f.inputs)), gradients: joined(own.map((f) => f.gradients)) }
  const spread = editor.spreads.get(group.name)!
  if (spread.count < 2) throw new UserError('the editor has seen no gradients: it was not trained')
  const rows = valuesOf(() => {
    const names = [...editor.weights.keys()]
    const weights = new Map(tensorsOf(editor).map((t, i) => [names[i]!, t]))
    return transformed(group, site, weights, tf.tensor2d(normalised(spread, all, count), [count, dim]))
  })
  const u = new Float32Array(out * count)
  const v = new Float32Array(width * count)
  for (let r = 0; r < count; r++) {
    for (let i = 0; i < width; i++) v[i * count + r] = rows[r * dim + i]!
    for (let o = 0; o < out; o++) u[o * count + r] = lr * rows[r * dim + width + o]!
  }
  const common = { site, out, in: width }
  if (count * dim <= out * width) return { part: { kind: 'low-rank', ...common, rank: count, u, v }, rows: count, dim }
  const delta = valuesOf(() => tf.matMul(tf.tensor2d(u, [out, count]), tf.tensor2d(v, [width, count]), false, true))
  return { part: { kind: 'dense', ...common, delta }, rows: count, dim }
}
