import * as tf from '@tensorflow/tfjs'
import type { DensePart, Edit, EditRequest } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import { encodePrompt, encodeTarget, type LanguageModel, type Positions, padBatch } from '../../harness/model'
import { crossEntropy } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { Adam } from '../../harness/tensor/optimizer'
import { checkLayer } from '../layer'
import type { EditingMethod } from '../types'
import { type FtHyperparameters, ftHyperparameters, ftLDefaults } from './hyperparameters'

/** Fine-tuning of one W_proj inside a box around its weights: the baseline "FT+L" of Meng et al. 2022. */
export const ftL: EditingMethod<typeof ftHyperparameters> = {
  name: 'ft-l',
  title: 'FT-L',
  family: 'fine-tuning',
  source: 'Zhu et al. 2020, arXiv 2012.00363; as a baseline in Meng et al. 2022, arXiv 2202.05262',
  supportsBatch: true,
  hyperparameters: ftHyperparameters,
  defaults: ftLDefaults,

  passesPerToken: (model, h) => 3 * h.num_steps * (1 - h.layer / model.layers),

  check: (model, h) => checkLayer(model, h.layer),

  async edit(model, groups, h, context) {
    checkLayer(model.config, h.layer)
    return groups.map((group, i) => {
      const edit = fineTune(model, group, h)
      context.onEdit?.([i])
      return edit
    })
  }
}

interface Objective {
  readonly rows: readonly (readonly number[])[]
  /** Where a label is predicted; several labels may share a place. */
  readonly logitsAt: Positions
  readonly labels: Int32Array
  /** Share of each label in the loss: its row's mean, then the mean over rows. */
  readonly weights: Float32Array
}

function objectiveOf(model: LanguageModel, requests: readonly EditRequest[], h: FtHyperparameters): Objective {
  const rows: number[][] = []
  const at: { row: number; position: number; label: number; weight: number }[] = []
  for (const [row, request] of requests.entries()) {
    const prompt = encodePrompt(model.tokenizer, request.prompt)
    const target = encodeTarget(model.tokenizer, request.target)
    const given = h.objective === 'target_new' ? target.slice(0, -1) : []
    rows.push([...prompt, ...given])
    for (const [j, label] of target.entries()) {
      const position = prompt.length - 1 + (h.objective === 'target_new' ? j : 0)
      at.push({ row, position, label, weight: 1 / (target.length * requests.length) })
    }
  }
  return {
    rows,
    logitsAt: { rows: Int32Array.from(at, (a) => a.row), positions: Int32Array.from(at, (a) => a.position) },
    labels: Int32Array.from(at, (a) => a.label),
    weights: Float32Array.from(at, (a) => a.weight)
  }
}

function fineTune(model: LanguageModel, requests: readonly EditRequest[], h: FtHyperparameters): Edit {
  const site = `layers.${h.layer}.mlp.proj`
  const objective = objectiveOf(model, requests, h)
  const batch = padBatch(objective.rows)
  // Nothing below the trained block changes, so it runs once.
  const entering = tf.tidy(() => model.forward(batch, { to: h.layer }).hidden)
  const original = trainedWeights(model, site)
  const trained = new Map([...original].map(([name, { values }]) => [name, values.slice()]))
  const optimizer = new Adam(trained, { learningRate: h.lr })
  const losses: number[] = []
  try {
    for (let step = 0; step < h.num_steps; step++) {
      const { loss, gradients } = evaluate()
      if (!Number.isFinite(loss))
        throw new UserError(`the loss is ${loss} at step ${step}`, { hint: 'try a smaller lr' })
      losses.push(loss)
      if (loss < h.stop_loss) break
      optimizer.step(gradients)
      if (h.norm_constraint !== false)
        for (const [name, { values }] of original) clamp(trained.get(name)!, values, h.norm_constraint)
    }
  } finally {
    entering.dispose()
  }
  const part = densePart()
  return {
    method: 'ft-l',
    requests,
    parts: [part],
    diagnostics: {
      lossCurve: losses,
      flops: editFlops(model, objective, losses.length, h),
      values: { updateNorm: norm(part.delta) }
    }
  }

  function evaluate(): { loss: number; gradients: Map<string, Float32Array> } {
    const names = [...original.keys()]
    const gradients = new Map<string, Float32Array>()
    let loss = 0
    tf.tidy(() => {
      const { value, grads } = tf.valueAndGrads((...tensors: tf.Tensor[]): tf.Scalar => {
        const weights = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]))
        const from = { layer: h.layer, hidden: entering }
        const { logits } = model.forward(batch, { from, weights, logitsAt: objective.logitsAt })
        const perLabel = crossEntropy(logits!, tf.tensor1d(objective.labels, 'int32'))
        return perLabel.mul(tf.tensor1d(objective.weights)).sum()
      })(names.map((name) => tf.tensor(trained.get(name)!.slice(), original.get(name)!.shape, 'float32')))
      loss = value.dataSync()[0]!
      for (const [i, name] of names.entries()) gradients.set(name, grads[i]!.dataSync() as Float32Array)
    })
    return { loss, gradients }
  }

  function densePart(): DensePart {
    const { values, shape } = original.get(`${site}.weight`)!
    const bias = original.get(`${site}.bias`)
    return {
      kind: 'dense',
      site,
      out: shape[0]!,
      in: shape[1]!,
      delta: difference(trained.get(`${site}.weight`)!, values),
      ...(bias === undefined ? {} : { bias: difference(trained.get(`${site}.bias`)!, bias.values) })
    }
  }
}

/** Matrix FLOPs of one edit by the tokens of its rows, the same on every backend. */
function editFlops(
  model: LanguageModel,
  { rows, logitsAt }: Objective,
  steps: number,
  { layer }: FtHyperparameters
): number {
  const { dim, ffDim } = model.config
  const logits = [...logitsAt.rows]
  return rows.reduce((sum, row, i) => {
    const [tokens, context] = [row.length, row.length]
    const entering = model.passFlops(tokens, { to: layer, context })
    const asked = logits.filter((r) => r === i).length
    // The trained block only passes forward, but for the gradient of its own W_proj.
    const trained = model.passFlops(tokens, { from: layer, to: layer + 1, context }) + 2 * tokens * dim * ffDim
    const above = model.passFlops(tokens, { from: layer + 1, context, logits: asked, backward: true })
    return sum + entering + steps * (trained + above)
  }, 0)
}

function trainedWeights(model: LanguageModel, site: string): Map<string, { values: Float32Array; shape: number[] }> {
  const names = [`${site}.weight`, `${site}.bias`].filter((name) => model.weightNames().includes(name))
  return new Map(
    names.map((name) => {
      const weight = model.weight(name)
      return [name, { values: weight.dataSync() as Float32Array, shape: weight.shape }]
    })
  )
}

function clamp(values: Float32Array, centre: Float32Array, most: number): void {
  for (let i = 0; i < values.length; i++)
    values[i] = Math.min(centre[i]! + most, Math.max(centre[i]! - most, values[i]!))
}

const difference = (a: Float32Array, b: Float32Array): Float32Array => a.map((x, i) => x - b[i]!)
