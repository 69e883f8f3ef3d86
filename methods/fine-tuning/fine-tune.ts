import * as tf from '@tensorflow/tfjs-core'
import { chunks } from '../../harness/chunks'
import type { DensePart, Edit, EditRequest } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import { type LanguageModel, padBatch, type TokenBatch } from '../../harness/model'
import type { Random } from '../../harness/random'
import { crossEntropy } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { Adam } from '../../harness/tensor/optimizer'
import type { FineTuningHyperparameters } from './hyperparameters'
import { type Lesson, lessonOf } from './objective'

/** A lesson with what enters the lowest trained block, which no step changes. */
interface Prepared extends Lesson {
  readonly batch: TokenBatch
  readonly entering: tf.Tensor3D // [rows, seq, dim]
}

/** A trained weight or bias: its values before and now. */
interface Trained {
  readonly before: Float32Array
  readonly now: Float32Array
  readonly shape: number[]
}

export interface TrainingOrder {
  /** The end of the text is learnt after every target. */
  readonly ends?: boolean
  /** Puts the requests into another order, and other batches, at every pass. */
  readonly random?: Random
}

/**
 * Trains W_proj of some blocks on the requests, inside a box around its weights when there is one, and gives the change
 * (kmeng01/rome, `execute_ft`).
 */
export function fineTune(
  method: string,
  model: LanguageModel,
  requests: readonly EditRequest[],
  h: FineTuningHyperparameters,
  { ends = false, random }: TrainingOrder = {}
): Edit {
  const lowest = Math.min(...h.layers)
  const prepared = (order: readonly EditRequest[]) =>
    chunks(order, h.batch_size).map((some): Prepared => {
      const lesson = lessonOf(model, some, h.objective, ends)
      const batch = padBatch(lesson.rows)
      return { ...lesson, batch, entering: tf.tidy(() => model.forward(batch, { to: lowest }).hidden) }
    })
  // One batch is the same in any order.
  const shuffled = requests.length > h.batch_size ? random : undefined
  let lessons = prepared(shuffled?.shuffle(requests) ?? requests)
  const sites = [...new Set(h.layers)].map((layer) => `layers.${layer}.mlp.proj`)
  const trained = trainedWeights(model, sites)
  const optimizer = new Adam(new Map([...trained].map(([name, { now }]) => [name, now])), { learningRate: h.lr })
  const losses: number[] = []
  let steps = 0
  try {
    for (let epoch = 0; epoch < h.num_steps; epoch++) {
      let sum = 0
      if (epoch > 0 && shuffled !== undefined) {
        for (const { entering } of lessons) entering.dispose()
        lessons = prepared(shuffled.shuffle(requests))
      }
      for (const lesson of lessons) {
        const { loss, gradients } = evaluate(model, lesson, lowest, trained)
        if (!Number.isFinite(loss))
          throw new UserError(`the loss is ${loss} at step ${epoch}`, { hint: 'try a smaller lr' })
        steps++
        sum += loss * lesson.rows.length
        // What is learnt already makes no step.
        if (loss < h.stop_loss) continue
        optimizer.step(gradients)
        if (h.norm_constraint !== false) clampAll(trained, h.norm_constraint)
      }
      losses.push(sum / requests.length)
      if (losses.at(-1)! < h.stop_loss) break
    }
  } finally {
    for (const { entering } of lessons) entering.dispose()
  }
  const parts = sites.map((site) => densePart(site, trained))
  const epochs = steps / lessons.length
  return {
    method,
    requests,
    parts,
    diagnostics: {
      lossCurve: losses,
      flops: lessons.reduce((total, lesson) => total + lessonFlops(model, lesson, epochs, h), 0),
      values: { updateNorm: Math.hypot(...parts.map((part) => norm(part.delta))) }
    }
  }
}

/** Loss of a lesson, and its gradient for every trained weight. */
function evaluate(
  model: LanguageModel,
  { batch, entering, logitsAt, labels, weights: shares }: Prepared,
  layer: number,
  trained: ReadonlyMap<string, Trained>
): { loss: number; gradients: Map<string, Float32Array> } {
  const names = [...trained.keys()]
  const gradients = new Map<string, Float32Array>()
  let loss = 0
  tf.tidy(() => {
    const { value, grads } = tf.valueAndGrads((...tensors: tf.Tensor[]): tf.Scalar => {
      const weights = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]))
      const { logits } = model.forward(batch, {
        from: { layer, hidden: entering },
        weights,
        logitsAt,
        logitsOnly: true
      })
      const perLabel = crossEntropy(logits!, tf.tensor1d(labels, 'int32')) // [labels]
      return perLabel.mul(tf.tensor1d(shares)).sum()
    })([...trained.values()].map(({ now, shape }) => tf.tensor(now.slice(), shape, 'float32')))
    loss = value.dataSync()[0]!
    for (const [i, name] of names.entries()) gradients.set(name, grads[i]!.dataSync() as Float32Array)
  })
  return { loss, gradients }
}

function trainedWeights(model: LanguageModel, sites: readonly string[]): Map<string, Trained> {
  const names = sites
    .flatMap((site) => [`${site}.weight`, `${site}.bias`])
    .filter((name) => model.weightShape(name) !== undefined)
  return new Map(
    names.map((name) => {
      const weight = model.weight(name)
      const before = weight.dataSync() as Float32Array
      return [name, { before, now: before.slice(), shape: weight.shape }]
    })
  )
}

function clampAll(trained: ReadonlyMap<string, Trained>, most: number): void {
  for (const { before, now } of trained.values())
    for (let i = 0; i < now.length; i++) now[i] = Math.min(before[i]! + most, Math.max(before[i]! - most, now[i]!))
}

function densePart(site: string, trained: ReadonlyMap<string, Trained>): DensePart {
  const change = ({ before, now }: Trained) => now.map((x, i) => x - before[i]!)
  const weight = trained.get(`${site}.weight`)!
  const bias = trained.get(`${site}.bias`)
  const [out, width] = weight.shape as [number, number]
  return {
    kind: 'dense',
    site,
    out,
    in: width,
    delta: change(weight),
    ...(bias === undefined ? {} : { bias: change(bias) })
  }
}

/** Matrix FLOPs of a lesson by the tokens of its rows, the same on every backend. */
function lessonFlops(
  model: LanguageModel,
  { rows, logitsAt }: Lesson,
  steps: number,
  { layers }: FineTuningHyperparameters
): number {
  const { dim, ffDim } = model.config
  const lowest = Math.min(...layers)
  const last = model.config.layers - 1
  return rows.reduce((sum, row, i) => {
    const [tokens, context] = [row.length, row.length]
    const entering = model.passFlops(tokens, { to: lowest, context })
    const places = [...logitsAt.positions].filter((_, k) => logitsAt.rows[k] === i)
    const asked = new Set(places).size
    // The lowest block only passes forward; every trained W_proj has a gradient of its own.
    const passing = model.passFlops(tokens, { from: lowest, to: lowest + 1, context, asked })
    const trained = [...new Set(layers)].reduce((all, layer) => all + (layer === last ? asked : tokens), 0)
    const own = 2 * trained * dim * ffDim
    const logits = places.length
    const above = model.passFlops(tokens, { from: lowest + 1, context, logits, asked, backward: true })
    return sum + entering + steps * (passing + own + above)
  }, 0)
}
