import { parentPort, workerData } from 'node:worker_threads'
import * as tf from '@tensorflow/tfjs-core'
import { architectureOf } from '../model/architectures'
import { padBatch } from '../model/batching'
import { forward } from '../model/forward'
import { copyValues, crossEntropy, useBackend } from '../tensor'
import { Muon } from '../tensor/muon'
import { Adam } from '../tensor/optimizer'
import { type TokenizedDocuments, TrainingData } from './data'
import { learningRateAt, type Recipe } from './recipes'
import { barrier, CONTROL, isMuons, ownedBy, type Shared, shapesOf, viewsOf, waitForCheckpoint } from './shared'

/** A thread of a training run: the gradients of its rows, then the step of its parameters. */

export interface ThreadTask {
  readonly recipe: Recipe
  readonly thread: number
  readonly shared: Shared
  readonly documents: TokenizedDocuments
  /** The steps it makes. */
  readonly from: number
  readonly to: number
  /** Steps in all, which the schedule goes by. */
  readonly steps: number
  readonly checkpointEvery: number
}

/** What the first thread reports. */
export type ThreadMessage =
  | { readonly type: 'step'; readonly done: number; readonly loss: number }
  /** It waits until that is written: nobody moves a parameter meanwhile. */
  | { readonly type: 'checkpoint'; readonly done: number }

class TrainingThread {
  readonly #task: ThreadTask
  readonly #data: TrainingData
  readonly #shapes: Record<string, readonly number[]>
  readonly #parameters: Map<string, Float32Array>
  readonly #gradients: readonly Map<string, Float32Array>[]
  readonly #momentum: Map<string, Float32Array>
  /** Of each thread: the loss of its rows, then Σg² of what it moves. */
  readonly #numbers: Float64Array
  /** The native library reads no shared memory: this thread's copy of the parameters. */
  readonly #own: Map<string, Float32Array>
  /** Gradients of the whole batch, of the parameters that this thread moves. */
  readonly #total: Map<string, Float32Array>
  readonly #adam: Adam
  readonly #muon: Muon

  constructor(task: ThreadTask) {
    const { recipe, shared, thread, from } = task
    this.#task = task
    this.#data = new TrainingData(recipe, task.documents)
    this.#shapes = shapesOf(recipe)
    this.#parameters = viewsOf(recipe, shared.parameters)
    this.#gradients = shared.gradients.map((memory) => viewsOf(recipe, memory))
    this.#momentum = viewsOf(recipe, shared.first)
    this.#numbers = new Float64Array(shared.numbers)
    const copies = (names: Iterable<string>) =>
      new Map([...names].map((name) => [name, new Float32Array(this.#parameters.get(name)!.length)]))
    this.#own = copies(this.#parameters.keys())
    this.#total = copies(ownedBy(recipe, thread))
    const { learningRate, beta1, beta2, weightDecay, muonMomentum } = recipe
    this.#adam = new Adam(this.#parameters, {
      ...{ learningRate, beta1, beta2 },
      // Norms and biases do not decay.
      weightDecay: (name) => (this.#shapes[name]!.length > 1 ? weightDecay : 0),
      moments: { first: this.#momentum, second: viewsOf(recipe, shared.second) }
    })
    this.#adam.steps = from
    this.#muon = new Muon({ momentum: muonMomentum, weightDecay })
  }

  /** The gradients of its rows of a step's batch. */
  differentiate(step: number): void {
    const { recipe, thread } = this.#task
    const { seq, config } = recipe
    const rows = recipe.batch / recipe.threads
    for (const [name, values] of this.#own) values.set(this.#parameters.get(name)!)
    const { inputs, labels } = this.#data.batch(step, thread * rows, rows)
    const names = [...this.#own.keys()]
    const architecture = architectureOf(config.architecture, recipe.name)
    tf.tidy(() => {
      const positions = Int32Array.from({ length: rows * seq }, (_, i) => i % seq)
      const logitsAt = { rows: positions.map((_, i) => Math.floor(i / seq)), positions }
      const objective = (...weights: tf.Tensor[]): tf.Scalar => {
        const byName = new Map(names.map((name, i) => [name, weights[i]!]))
        const { logits } = forward(architecture, config, byName, padBatch(inputs), { logitsAt })
        return crossEntropy(logits!, tf.tensor1d(labels, 'int32')).mean()
      }
      const tensors = names.map((name) => tf.tensor(this.#own.get(name)!, [...this.#shapes[name]!], 'float32'))
      const { value, grads } = tf.valueAndGrads(objective)(tensors)
      this.#numbers[thread] = value.dataSync()[0]!
      for (const [i, name] of names.entries()) copyValues(grads[i]!, this.#gradients[thread]!.get(name)!)
    })
  }

  /** Of the parameters it moves, the gradients of the whole batch. */
  average(): void {
    const { thread, recipe } = this.#task
    let squares = 0
    for (const [name, sum] of this.#total) {
      sum.set(this.#gradients[0]!.get(name)!)
      for (const other of this.#gradients.slice(1)) add(sum, other.get(name)!)
      squares += divide(sum, recipe.threads)
    }
    this.#numbers[recipe.threads + thread] = squares
  }

  /** Moves its parameters. @returns the loss of the whole batch before */
  move(step: number): number {
    const { recipe, steps } = this.#task
    const sum = (start: number) => this.#numbers.subarray(start, start + recipe.threads).reduce((a, b) => a + b, 0)
    const loss = sum(0) / recipe.threads
    const norm = Math.sqrt(sum(recipe.threads))
    const how = {
      learningRate: learningRateAt(recipe, step, steps),
      scale: Math.min(1, recipe.clipNorm / (norm + 1e-6))
    }
    const mine = [...this.#total]
    this.#adam.step(new Map(mine.filter(([name]) => !isMuons(name, this.#shapes[name]!))), how)
    for (const [name, gradient] of mine) {
      const shape = this.#shapes[name]!
      if (!isMuons(name, shape)) continue
      const [values, momentum] = [this.#parameters.get(name)!, this.#momentum.get(name)!]
      this.#muon.step({ values, momentum, gradient, shape: shape as [number, number] }, how)
    }
    return loss
  }
}

function main(task: ThreadTask): void {
  const { recipe, shared, thread, from, to, checkpointEvery } = task
  const own = new TrainingThread(task)
  const control = new Int32Array(shared.control)
  const together = () => barrier(control, recipe.threads)
  const say = (message: ThreadMessage) => parentPort!.postMessage(message)
  for (let step = from; step < to; step++) {
    own.differentiate(step)
    if (!together()) return
    own.average()
    if (!together()) return
    const loss = own.move(step)
    if (!together()) return
    if (thread > 0) continue
    if (!Number.isFinite(loss)) throw new Error(`the loss of step ${step} is ${loss}`)
    const done = step + 1
    say({ type: 'step', done, loss })
    if (done % checkpointEvery !== 0 || done === to) continue
    Atomics.store(control, CONTROL.writing, 1)
    say({ type: 'checkpoint', done })
    waitForCheckpoint(control)
  }
}

function add(sum: Float32Array, other: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + other[i]!
}

/** Divides a sum by its parts, in place. @returns the sum of the squares */
function divide(sum: Float32Array, parts: number): number {
  let squares = 0
  for (let i = 0; i < sum.length; i++) {
    const mean = sum[i]! / parts
    sum[i] = mean
    squares += mean * mean
  }
  return squares
}

void useBackend('auto', { threads: 1 }).then(() => main(workerData as ThreadTask))
