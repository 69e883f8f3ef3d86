import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../errors'
import { architectureOf } from '../model/architectures'
import { padBatch } from '../model/batching'
import { readSafetensorsHeader, readTensor, type TensorToWrite, writeSafetensors } from '../model/checkpoint'
import { forward } from '../model/forward'
import { saveModel } from '../model/save'
import { loadTokenizer } from '../model/tokenizer'
import { randomStream } from '../random'
import { makeFolder, replaceWhole } from '../replace'
import { crossEntropy } from '../tensor'
import { Adam, globalNorm } from '../tensor/optimizer'
import { type TokenizerFiles, trainTokenizer } from './bpe'
import type { Recipe } from './recipes'

export interface Progress {
  readonly step: number
  readonly steps: number
  /** Mean loss since the last report, in nats a token. */
  readonly loss: number
  readonly tokensPerSecond: number
  readonly secondsLeft: number
}

export interface PretrainOptions {
  /** Where the model goes; `checkpoint/` inside it while training. */
  readonly out: string
  readonly resume: boolean
  /** Words that should be single tokens, with the space before them. */
  readonly common?: readonly string[]
  readonly onProgress: (progress: Progress) => void
  /** Steps between reports, and between checkpoints. */
  readonly reportEvery?: number
  readonly checkpointEvery?: number
}

/**
 * Trains a model from nothing on a corpus (one document an item) by AdamW with a cosine schedule, and saves it in F16.
 * The same recipe and corpus give the same model, also when interrupted and resumed.
 * @returns the mean loss of the last steps, in nats a token, and how long this session took
 */
export function pretrain(
  recipe: Recipe,
  documents: readonly string[],
  options: PretrainOptions
): { loss: number; seconds: number } {
  const start = performance.now()
  const { reportEvery = 20, checkpointEvery = 200 } = options
  makeFolder(options.out)
  const checkpoint = new Checkpoint(join(options.out, 'checkpoint'), recipe)
  const resumed = options.resume ? checkpoint.read() : undefined
  const tokenizerFiles = trainTokenizer(documents, recipe.config.vocab, options.common)
  const data = new TrainingData(recipe, encodeDocuments(documents, tokenizerFiles))
  const parameters = resumed?.parameters ?? initialParameters(recipe)
  const optimizer = new Adam(parameters, {
    learningRate: recipe.learningRate,
    beta1: recipe.beta1,
    beta2: recipe.beta2,
    // Norms and biases do not decay.
    weightDecay: (name) => (shapes(recipe)[name]!.length > 1 ? recipe.weightDecay : 0)
  })
  if (resumed !== undefined) optimizer.restore(resumed.optimizer)
  const steps = Math.floor(recipe.tokens / (recipe.batch * recipe.seq))
  const first = resumed?.optimizer.steps ?? 0
  const recent: number[] = []
  let since = performance.now()
  for (let step = first; step < steps; step++) {
    const { loss, gradients } = lossAndGradients(recipe, parameters, data.batch(step))
    if (!Number.isFinite(loss)) throw new Error(`the loss of step ${step} is ${loss}`)
    optimizer.step(gradients, {
      learningRate: learningRateAt(recipe, step, steps),
      scale: Math.min(1, recipe.clipNorm / (globalNorm(gradients) + 1e-6))
    })
    recent.push(loss)
    const done = step + 1
    if (done % reportEvery === 0 || done === steps) {
      const seconds = (performance.now() - since) / 1000 / Math.min(reportEvery, recent.length)
      since = performance.now()
      options.onProgress({
        step: done,
        steps,
        loss: mean(recent.slice(-reportEvery)),
        tokensPerSecond: (recipe.batch * recipe.seq) / seconds,
        secondsLeft: (steps - done) * seconds
      })
    }
    if (done % checkpointEvery === 0 && done < steps) checkpoint.write(parameters, optimizer)
  }
  saveModel(options.out, recipe.config, parameters, tokenizerFiles, { dtype: 'F16', endOfText: 0 })
  checkpoint.remove()
  return { loss: mean(recent.slice(-100)), seconds: (performance.now() - start) / 1000 }
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

/** Linear warm-up, then half a cosine. */
export function learningRateAt(recipe: Recipe, step: number, steps: number): number {
  const warm = Math.min(1, (step + 1) / recipe.warmupSteps)
  const cosine = 0.5 * (1 + Math.cos((Math.PI * step) / steps))
  return recipe.learningRate * warm * (recipe.finalShare + (1 - recipe.finalShare) * cosine)
}

const architectureFor = (recipe: Recipe) => architectureOf(recipe.config.architecture, recipe.name)

/** Shape of every parameter by name. */
function shapes(recipe: Recipe): Record<string, readonly number[]> {
  return Object.fromEntries(
    Object.entries(architectureFor(recipe).weights(recipe.config)).map(([name, { shape }]) => [name, shape])
  )
}

/** Normal with σ = 0.02, smaller where a block writes to the residual stream (Radford et al. 2019); norms start as identity. */
export function initialParameters(recipe: Recipe): Map<string, Float32Array> {
  const residual = 1 / Math.sqrt(2 * recipe.config.layers)
  return new Map(
    Object.entries(shapes(recipe)).map(([name, shape]) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
      if (shape.length === 1) return [name, values.fill(name.endsWith('norm.weight') ? 1 : 0)]
      const random = randomStream(recipe.seed, 'pretrain/init', name)
      const sigma = 0.02 * (/\.(attn\.out|mlp\.proj)\.weight$/.test(name) ? residual : 1)
      return [name, values.map(() => sigma * random.normal())]
    })
  )
}

function lossAndGradients(
  recipe: Recipe,
  parameters: ReadonlyMap<string, Float32Array>,
  batch: { inputs: number[][]; labels: Int32Array }
): { loss: number; gradients: Map<string, Float32Array> } {
  const names = [...parameters.keys()]
  const shapeOf = shapes(recipe)
  const rows = batch.inputs.flatMap((row, i) => row.map(() => i))
  const positions = batch.inputs.flatMap((row) => row.map((_, j) => j))
  const logitsAt = { rows: Int32Array.from(rows), positions: Int32Array.from(positions) }
  const gradients = new Map<string, Float32Array>()
  let loss = 0
  tf.tidy(() => {
    const tensors = names.map((name) => tf.tensor(parameters.get(name)!, [...shapeOf[name]!], 'float32'))
    const objective = (...weights: tf.Tensor[]): tf.Scalar => {
      const byName = new Map(names.map((name, i) => [name, weights[i]!]))
      const tokens = padBatch(batch.inputs)
      const { logits } = forward(architectureFor(recipe), recipe.config, byName, tokens, { logitsAt })
      return crossEntropy(logits!, tf.tensor1d(batch.labels, 'int32')).mean()
    }
    const { value, grads } = tf.valueAndGrads(objective)(tensors)
    loss = value.dataSync()[0]!
    for (const [i, name] of names.entries()) gradients.set(name, grads[i]!.dataSync() as Float32Array)
  })
  return { loss, gradients }
}

function encodeDocuments(documents: readonly string[], files: TokenizerFiles): number[][] {
  // The library reads tokenizers from a folder.
  const dir = join(tmpdir(), `bench-tokenizer-${process.pid}`)
  makeFolder(dir)
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content)
    const tokenizer = loadTokenizer(dir)
    return documents.map((text) => [tokenizer.endOfText, ...tokenizer.encode(text)])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** The documents as one endless stream of tokens, each after an end-of-text token, shuffled anew in every epoch. */
class TrainingData {
  readonly #recipe: Recipe
  readonly #documents: readonly (readonly number[])[]
  readonly #epochs = new Map<number, Int32Array>()

  constructor(recipe: Recipe, documents: readonly (readonly number[])[]) {
    this.#recipe = recipe
    this.#documents = documents
  }

  /** The batch of a step: a function of the step alone, so that a resumed run sees what an undisturbed one sees. */
  batch(step: number): { inputs: number[][]; labels: Int32Array } {
    const { batch, seq } = this.#recipe
    const tokens = this.#slice(step * batch * seq, batch * seq + 1)
    return {
      inputs: Array.from({ length: batch }, (_, row) => [...tokens.subarray(row * seq, (row + 1) * seq)]),
      labels: tokens.slice(1)
    }
  }

  #slice(start: number, length: number): Int32Array {
    const out = new Int32Array(length)
    const perEpoch = this.#epoch(0).length
    for (let done = 0; done < length; ) {
      const epoch = Math.floor((start + done) / perEpoch)
      const at = (start + done) % perEpoch
      const piece = this.#epoch(epoch).subarray(at, at + length - done)
      out.set(piece, done)
      done += piece.length
    }
    return out
  }

  #epoch(epoch: number): Int32Array {
    const known = this.#epochs.get(epoch)
    if (known !== undefined) return known
    const order = randomStream(this.#recipe.seed, 'pretrain/epoch', epoch).shuffle(this.#documents)
    const tokens = Int32Array.from(order.flat())
    this.#epochs.delete(epoch - 2)
    this.#epochs.set(epoch, tokens)
    return tokens
  }
}

/** Parameters and optimizer of a run that goes on. */
class Checkpoint {
  readonly #dir: string
  readonly #recipe: Recipe

  constructor(dir: string, recipe: Recipe) {
    this.#dir = dir
    this.#recipe = recipe
  }

  write(parameters: ReadonlyMap<string, Float32Array>, optimizer: Adam): void {
    const tensors = new Map<string, TensorToWrite>()
    const { steps, first, second } = optimizer.state
    for (const [group, values] of Object.entries({ parameter: parameters, first, second })) {
      for (const [name, data] of values) tensors.set(`${group}/${name}`, { shape: [data.length], data })
    }
    // The whole folder at once: a checkpoint is either the old one or the new one.
    replaceWhole(this.#dir, (fresh) => {
      mkdirSync(fresh)
      writeSafetensors(join(fresh, 'state.safetensors'), tensors)
      writeFileSync(join(fresh, 'state.json'), JSON.stringify({ steps, recipe: this.#recipe }))
    })
  }

  /** What was written last, undefined when nothing was. @throws UserError when it belongs to another recipe. */
  read(): { parameters: Map<string, Float32Array>; optimizer: Adam['state'] } | undefined {
    const file = join(this.#dir, 'state.json')
    if (!existsSync(file)) return undefined
    const { steps, recipe } = JSON.parse(readFileSync(file, 'utf8')) as { steps: number; recipe: Recipe }
    if (JSON.stringify(recipe) !== JSON.stringify(this.#recipe)) {
      throw new UserError('the checkpoint was made with other settings than these', {
        place: file,
        hint: 'repeat the settings it was started with, or start again without --resume'
      })
    }
    const groups = { parameter: new Map(), first: new Map(), second: new Map() } as Record<
      string,
      Map<string, Float32Array>
    >
    for (const [key, entry] of readSafetensorsHeader(join(this.#dir, 'state.safetensors')).tensors) {
      const [group = '', ...name] = key.split('/')
      groups[group]!.set(name.join('/'), readTensor(key, entry))
    }
    return {
      parameters: groups.parameter!,
      optimizer: { steps, first: groups.first!, second: groups.second! }
    }
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }
}
