import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import type { Edit, EditRequest } from '../../harness/edit'
import { ACTIVATION_NAMES, ACTIVATIONS, type NeuronsPart } from '../../harness/edit/kinds/neurons'
import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { type Random, randomStream } from '../../harness/random'
import { crossEntropy, joined } from '../../harness/tensor'
import { Adafactor } from '../../harness/tensor/adafactor'
import { logitsFrom } from '../last-mlp/head'
import { type Lesson, lastMlp, lessonsOf } from '../last-mlp/lessons'
import { defineMethod } from '../types'

/** Names as in the arguments of dqxiu/CaliNet. */
export const calinetHyperparameters = z.strictObject({
  ex_size: z.number().int().min(1).default(64).describe('Slots: neurons beside the last MLP'),
  activation: z
    .enum(ACTIVATION_NAMES)
    .default('relu')
    .describe("Of slots; the code takes the MLP's own, ReLU in T5 (GPT-2 and GPT-J have 'gelu')"),
  learning_rate: z.number().positive().default(0.01).describe('Of Adafactor'),
  max_steps: z.number().int().min(1).default(5000).describe('Steps, each over all facts'),
  stop_loss: z.number().min(0).default(0).describe('Training ends below this loss; the code goes on to the last step')
})
type CalinetHyperparameters = z.output<typeof calinetHyperparameters>

/** CaliNet: a small MLP beside the last one, trained on all facts at once (README.md). */
export const calinet = defineMethod({
  name: 'calinet',
  title: 'CaliNET',
  family: 'additional-parameters',
  source: 'Dong et al. 2022, arXiv 2210.03329',
  holdsMany: true,
  hyperparameters: calinetHyperparameters,
  // At every step the head runs there and back, and the slots.
  passesPerToken: (model, h) =>
    1 + (3 * h.max_steps * (model.vocab + 2 * h.ex_size)) / (12 * model.layers * model.dim + model.vocab),

  async *edit(model, groups, h, { seed }) {
    for (const group of groups) {
      const random = randomStream(seed, 'calinet', JSON.stringify(group.map(({ prompt, target }) => [prompt, target])))
      yield [calibrated(model, group, h, random)]
    }
  }
})

/** Slots' keys `[slots, dim]` and values `[slots, dim]`. */
export interface Slots {
  readonly keys: Float32Array
  readonly values: Float32Array
}

function calibrated(
  model: LanguageModel,
  requests: readonly EditRequest[],
  h: CalinetHyperparameters,
  random: Random
): Edit {
  const { dim } = model.config
  const lessons = lessonsOf(model, requests)
  const slots = newSlots(dim, h, random)
  const losses = trainSlots(model, lessons, slots, h)
  const part: NeuronsPart = {
    kind: 'neurons',
    site: lastMlp(model),
    neurons: h.ex_size,
    dim,
    activation: h.activation,
    ...slots,
    biases: new Float32Array(h.ex_size)
  }
  return {
    method: 'calinet',
    requests,
    parts: [part],
    diagnostics: {
      lossCurve: losses,
      flops: flopsOf(model, lessons, losses.length, h),
      values: { loss: losses.at(-1)! }
    }
  }
}

/** As torch makes a linear map: uniform within one over the root of its inputs. */
function newSlots(dim: number, { ex_size }: CalinetHyperparameters, random: Random): Slots {
  const uniform = (inputs: number) =>
    Float32Array.from({ length: ex_size * dim }, () => (2 * random.uniform() - 1) / Math.sqrt(inputs))
  return { keys: uniform(dim), values: uniform(ex_size) }
}

/**
 * Trains slots in place, on the mean cross-entropy of all facts' target tokens: only the last norm and the head run again.
 * @returns the loss before every step
 */
export function trainSlots(
  model: LanguageModel,
  lessons: readonly Lesson[],
  { keys, values }: Slots,
  { activation, learning_rate, max_steps, stop_loss }: Omit<CalinetHyperparameters, 'ex_size'>
): number[] {
  const { dim, layers } = model.config
  const labels = lessons.flatMap((l) => l.target)
  const stacked = (of: (l: Lesson) => Float32Array) => tf.tensor2d(joined(lessons.map(of)), [labels.length, dim])
  const [queries, outputs, stream] = [stacked((l) => l.queries), stacked((l) => l.outputs), stacked((l) => l.stream)]
  const optimizer = new Adafactor({ learningRate: learning_rate })
  // The optimizer's matrices are the code's: keys [slots, dim], values [dim, slots].
  const slots = keys.length / dim
  const transposed = transpose(values, slots, dim)
  const losses: number[] = []
  try {
    for (let step = 0; step < max_steps; step++) {
      let loss = 0
      let gradients: [Float32Array, Float32Array] | undefined
      tf.tidy(() => {
        const ids = tf.tensor1d(labels, 'int32')
        const { value, grads } = tf.valueAndGrads((k: tf.Tensor, v: tf.Tensor) => {
          const acting = ACTIVATIONS[activation](tf.matMul(queries, k as tf.Tensor2D, false, true) as tf.Tensor2D)
          const added = tf.matMul(acting, v as tf.Tensor2D, false, true) as tf.Tensor2D
          const hidden = stream.add(model.mlpEffect(layers - 1, outputs, added)) as tf.Tensor2D
          return crossEntropy(logitsFrom(model, hidden), ids).mean() as tf.Scalar
        })([tf.tensor2d(keys, [slots, dim]), tf.tensor2d(transposed, [dim, slots])])
        loss = value.dataSync()[0]!
        gradients = grads.map((g) => g.dataSync()) as [Float32Array, Float32Array]
      })
      if (!Number.isFinite(loss))
        throw new UserError(`the loss of the slots is ${loss} at step ${step}`, { hint: 'try a smaller learning_rate' })
      losses.push(loss)
      if (loss < stop_loss) break
      const [ofKeys, ofValues] = gradients!
      optimizer.step([
        { matrix: keys, gradient: ofKeys, width: dim },
        { matrix: transposed, gradient: ofValues, width: slots }
      ])
    }
  } finally {
    tf.dispose([queries, outputs, stream])
  }
  values.set(transpose(transposed, dim, slots))
  return losses
}

function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c]!
  return out
}

/** Matrix FLOPs of an edit: a pass of its facts, and at every step their slots and logits. */
function flopsOf(
  model: LanguageModel,
  lessons: readonly Lesson[],
  steps: number,
  { ex_size }: CalinetHyperparameters
): number {
  const { dim, layers } = model.config
  const tokens = lessons.reduce((sum, l) => sum + l.target.length, 0)
  const passes = lessons.reduce((sum, l) => sum + model.passFlops(l.tokens, { context: l.tokens }), 0)
  const head = model.passFlops(tokens, { from: layers, logits: tokens, backward: true })
  return passes + steps * (head + tokens * 12 * ex_size * dim)
}
