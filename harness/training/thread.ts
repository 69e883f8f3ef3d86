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

function main({ recipe, thread, shared, documents, from, to, steps, checkpointEvery }: ThreadTask): void {
  const data = new TrainingData(recipe, documents)
  const shapes = shapesOf(recipe)
  const architecture = architectureOf(recipe.config.architecture, recipe.name)
  const views = (memory: SharedArrayBuffer) => viewsOf(recipe, memory)
  const parameters = views(shared.parameters)
  const gradients = shared.gradients.map(views)
  const moments = { first: views(shared.first), second: views(shared.second) }
  const numbers = new Float64Array(shared.numbers)
  const control = new Int32Array(shared.control)
  const { threads } = recipe
  const together = () => barrier(control, threads)
  const say = (message: ThreadMessage) => parentPort!.postMessage(message)
  // The native library reads no shared memory.
  const own = new Map([...parameters].map(([name, values]) => [name, new Float32Array(values.length)]))
  const names = [...parameters.keys()]
  const moved = ownedBy(recipe, thread)
  const muons = moved.filter((name) => isMuons(name, shapes[name]!))
  const adams = moved.filter((name) => !isMuons(name, shapes[name]!))
  const adam = new Adam(new Map(adams.map((name) => [name, parameters.get(name)!])), {
    learningRate: recipe.learningRate,
    beta1: recipe.beta1,
    beta2: recipe.beta2,
    // Norms and biases do not decay.
    weightDecay: (name) => (shapes[name]!.length > 1 ? recipe.weightDecay : 0),
    moments
  })
  adam.steps = from
  const muon = new Muon({ momentum: recipe.muonMomentum, weightDecay: recipe.weightDecay })
  const rows = recipe.batch / threads
  const total = new Map(moved.map((name) => [name, new Float32Array(parameters.get(name)!.length)]))

  for (let step = from; step < to; step++) {
    for (const [name, values] of own) values.set(parameters.get(name)!)
    const batch = data.batch(step, thread * rows, rows)
    tf.tidy(() => {
      const positions = Int32Array.from({ length: rows * recipe.seq }, (_, i) => i % recipe.seq)
      const logitsAt = { rows: positions.map((_, i) => Math.floor(i / recipe.seq)), positions }
      const objective = (...weights: tf.Tensor[]): tf.Scalar => {
        const byName = new Map(names.map((name, i) => [name, weights[i]!]))
        const { logits } = forward(architecture, recipe.config, byName, padBatch(batch.inputs), { logitsAt })
        return crossEntropy(logits!, tf.tensor1d(batch.labels, 'int32')).mean()
      }
      const tensors = names.map((name) => tf.tensor(own.get(name)!, [...shapes[name]!], 'float32'))
      const { value, grads } = tf.valueAndGrads(objective)(tensors)
      numbers[thread] = value.dataSync()[0]!
      for (const [i, name] of names.entries()) copyValues(grads[i]!, gradients[thread]!.get(name)!)
    })
    if (!together()) return
    let squares = 0
    for (const [name, sum] of total) {
      sum.set(gradients[0]!.get(name)!)
      for (const other of gradients.slice(1)) add(sum, other.get(name)!)
      squares += meanOf(sum, threads)
    }
    numbers[threads + thread] = squares
    if (!together()) return
    const of = (start: number) => numbers.subarray(start, start + threads).reduce((a, b) => a + b, 0)
    const loss = of(0) / threads
    const move = {
      learningRate: learningRateAt(recipe, step, steps),
      scale: Math.min(1, recipe.clipNorm / (Math.sqrt(of(threads)) + 1e-6))
    }
    adam.step(new Map(adams.map((name) => [name, total.get(name)!])), move)
    for (const name of muons)
      muon.step(
        {
          values: parameters.get(name)!,
          momentum: moments.first.get(name)!,
          gradient: total.get(name)!,
          shape: shapes[name] as [number, number]
        },
        move
      )
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

/** Divides a sum by its parts. @returns the sum of the squares */
function meanOf(sum: Float32Array, parts: number): number {
  let squares = 0
  for (let i = 0; i < sum.length; i++) {
    const mean = sum[i]! / parts
    sum[i] = mean
    squares += mean * mean
  }
  return squares
}

void useBackend('auto', { threads: 1 }).then(() => main(workerData as ThreadTask))
