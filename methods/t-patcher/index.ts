import { z } from 'zod'
import { chunks } from '../../harness/chunks'
import type { CarriedArray, Edit, EditRequest } from '../../harness/edit'
import { ACTIVATION_NAMES, type NeuronsPart } from '../../harness/edit/kinds/neurons'
import type { LanguageModel } from '../../harness/model'
import { randomStream } from '../../harness/random'
import { joined } from '../../harness/tensor'
import { type Lesson, lastMlp, lessonsOf } from '../last-mlp/lessons'
import { defineMethod } from '../types'
import { type Memory, memoryOf } from './memory'
import { type Patches, trainPatches } from './train'

/** Names as in the arguments of ZeroYuHuang/Transformer-Patcher. */
export const tPatcherHyperparameters = z.strictObject({
  max_add_neuron_num: z
    .number()
    .int()
    .min(1)
    .default(5)
    .describe('Most patches of a fact: one for each wrong token, the first ones'),
  activation: z
    .enum(ACTIVATION_NAMES)
    .default('gelu')
    .describe("Of patches; the code takes the MLP's own (a gated MLP's is 'silu')"),
  lr: z.number().positive().default(0.01).describe('Learning rate of Adam'),
  weight_decay: z.number().min(0).default(0.01).describe('Added to the gradient, as a share of what is trained'),
  amplify_con: z.number().positive().default(10).describe('What a value is multiplied by at first'),
  alc: z.number().min(0).default(1).describe('Weight of the loss that has patches act at their own tokens'),
  mlc: z.number().min(0).default(5).describe('Weight of the loss that has them silent at other texts'),
  act_margin_val: z.number().default(0).describe('Pre-activation that they are to have at their own tokens'),
  margin_val1: z.number().default(3).describe('By how much it is to be above that at other texts'),
  margin_val2: z.number().default(-3).describe('What it is to be below at other texts'),
  memory_tokens: z.number().int().min(4).default(20_000).describe('Tokens of other texts'),
  example_repeat: z
    .number()
    .int()
    .min(1)
    .default(8)
    .describe('Copies of the example: of 1,000 largest values 125 are different'),
  max_edit_step: z.number().int().min(1).default(2000).describe('Most steps'),
  check_val_every_n_epoch: z.number().int().min(1).default(25).describe('Steps between checks'),
  start_val_epoch: z.number().int().min(0).default(100).describe('Steps before an edit may be done'),
  early_patience: z
    .number()
    .int()
    .min(1)
    .default(1)
    .describe('Checks of a right edit at which patches may fail to fall more silent before it is done')
})
type TPatcherHyperparameters = z.output<typeof tPatcherHyperparameters>

/** Facts whose patches are trained side by side. */
const TOGETHER = 64

/** Transformer-Patcher: a further neuron in the last MLP for every token that the model gets wrong (README.md). */
export const tPatcher = defineMethod({
  name: 't-patcher',
  title: 'T-Patcher',
  family: 'additional-parameters',
  source: 'Huang et al. 2023, arXiv 2301.09785',
  holdsMany: false,
  hyperparameters: tPatcherHyperparameters,
  // The last block's head alone runs again, at every step.
  passesPerToken: (model, h) => 1 + (h.start_val_epoch * 3 * model.vocab) / (12 * model.layers * model.dim),

  prepare: async (model, h, context) => memoryOf(model, h.memory_tokens, context),

  async *edit(model, groups, h, { before, goesOn, seed }, memory) {
    const { dim } = model.config
    const remembered = before?.carry?.memory?.data ?? new Float32Array()
    const beside = (m: Float32Array) => (remembered.length === 0 ? m : joined([m, remembered]))
    const known = { train: beside(memory.train), val: beside(memory.val) }
    for (const some of chunks(groups, TOGETHER)) {
      const requests = some.map(([request]) => request!)
      const lessons = lessonsOf(model, requests).map((l) => ({ ...l, wrong: l.wrong.slice(0, h.max_add_neuron_num) }))
      const patches = lessons.map((lesson, i) => newPatches(lesson, requests[i]!, dim, h, seed))
      const trained = trainPatches(model, lessons, patches, known, h)
      yield lessons.map((lesson, i): Edit => {
        const { losses, activation, memory: held, right } = trained[i]!
        const carry = goesOn === true ? { carry: { memory: rowsOf(joined([remembered, lesson.queries]), dim) } } : {}
        return {
          method: 't-patcher',
          requests: [requests[i]!],
          parts: patches[i]!.biases.length === 0 ? [] : [partOf(model, patches[i]!, h)],
          ...carry,
          diagnostics: {
            lossCurve: losses,
            flops: flopsOf(model, lesson, losses.length, known),
            values: { patches: lesson.wrong.length, right: Number(right), activation, memory: held }
          }
        }
      })
    }
  }
})

/** Keys that answer with 1 at their own tokens, and values of noise: the same for a fact in any company. */
function newPatches(
  { queries, wrong }: Lesson,
  { prompt, target }: EditRequest,
  dim: number,
  { amplify_con }: TPatcherHyperparameters,
  seed: number
): Patches {
  const keys = new Float32Array(wrong.length * dim)
  for (const [p, token] of wrong.entries()) {
    const query = queries.subarray(token * dim, (token + 1) * dim)
    const square = query.reduce((sum, x) => sum + x * x, 0)
    for (let i = 0; i < dim; i++) keys[p * dim + i] = query[i]! / square
  }
  const random = randomStream(seed, 't-patcher', JSON.stringify([prompt, target]))
  return {
    keys,
    biases: new Float32Array(wrong.length),
    w: Float32Array.from({ length: keys.length }, () => random.normal()),
    a: new Float32Array(keys.length).fill(amplify_con)
  }
}

function partOf(model: LanguageModel, { keys, biases, w, a }: Patches, h: TPatcherHyperparameters): NeuronsPart {
  return {
    kind: 'neurons',
    site: lastMlp(model),
    neurons: biases.length,
    dim: model.config.dim,
    activation: h.activation,
    keys,
    biases,
    values: w.map((x, i) => x * a[i]!)
  }
}

const rowsOf = (data: Float32Array, dim: number): CarriedArray => ({ shape: [data.length / dim, dim], data })

/** Matrix FLOPs of a fact: a pass of it, and at every step its tokens' patches and logits and the memory. */
function flopsOf(
  model: LanguageModel,
  { target, tokens: all, wrong }: Lesson,
  steps: number,
  { train }: Memory
): number {
  const { dim } = model.config
  const tokens = target.length
  const whole = model.passFlops(all, { context: all })
  const head = model.passFlops(tokens, { from: model.config.layers, logits: tokens, backward: true })
  const patches = 2 * wrong.length * dim
  return whole + steps * (head + patches * (6 * tokens + train.length / dim))
}
