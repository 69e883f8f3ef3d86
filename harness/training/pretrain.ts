import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { UserError } from '../errors'
import { readSafetensorsHeader, readTensor, type TensorToWrite, writeSafetensors } from '../model/checkpoint'
import { saveModel } from '../model/save'
import { loadTokenizer } from '../model/tokenizer'
import { randomStream } from '../random'
import { makeFolder, replaceWhole } from '../replace'
import { type TokenizerFiles, trainTokenizer } from './bpe'
import { shareDocuments } from './data'
import type { Recipe } from './recipes'
import { CONTROL, type Shared, shapesOf, shareState, viewsOf } from './shared'
import type { TrainingText } from './texts'
import type { ThreadMessage, ThreadTask } from './thread'

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
  readonly onProgress: (progress: Progress) => void
  /** Steps between reports, and between checkpoints. */
  readonly reportEvery?: number
  readonly checkpointEvery?: number
}

/**
 * Trains a model from nothing by Muon and AdamW with a cosine schedule, in threads of its own, and saves it in F16.
 * The same recipe and texts give the same model, also when interrupted and resumed.
 * @returns the mean loss of the last steps, in nats a token, and how long this session took
 */
export async function pretrain(
  recipe: Recipe,
  texts: readonly TrainingText[],
  options: PretrainOptions
): Promise<{ loss: number; seconds: number }> {
  const start = performance.now()
  const { reportEvery = 20, checkpointEvery = 200 } = options
  makeFolder(options.out)
  const checkpoint = new Checkpoint(join(options.out, 'checkpoint'), recipe)
  const shared = shareState(recipe)
  const from = options.resume ? checkpoint.read(shared) : 0
  const parameters = viewsOf(recipe, shared.parameters)
  if (from === 0) for (const [name, values] of initialParameters(recipe)) parameters.get(name)!.set(values)
  const documents = texts.map(({ text }) => text)
  const tokenizerFiles = trainTokenizer(documents, recipe.config.vocab)
  const early = texts.flatMap((text, i) => (text.early ? [i] : []))
  const steps = Math.floor(recipe.tokens / (recipe.batch * recipe.seq))
  const recent: number[] = []
  let since = performance.now()
  const onStep = (done: number, loss: number) => {
    recent.push(loss)
    if (done % reportEvery !== 0 && done !== steps) return
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
  const shares = shareDocuments(encodeDocuments(documents, tokenizerFiles), early)
  await runThreads({ recipe, shared, documents: shares, from, to: steps, steps, checkpointEvery }, (message) => {
    if (message.type === 'step') onStep(message.done, message.loss)
    else checkpoint.write(shared, message.done)
  })
  saveModel(options.out, recipe.config, parameters, tokenizerFiles, { dtype: 'F16', endOfText: 0 })
  checkpoint.remove()
  return { loss: mean(recent.slice(-100)), seconds: (performance.now() - start) / 1000 }
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

/** Runs all threads to their end. The first error, of a thread or of `onMessage`, stops all of them. */
async function runThreads(
  task: Omit<ThreadTask, 'thread'>,
  onMessage: (message: ThreadMessage) => void
): Promise<void> {
  const file = join(__dirname, `thread${extname(__filename)}`)
  const control = new Int32Array(task.shared.control)
  let problem: { readonly error: unknown } | undefined
  // A thread inside of the native library must not be ended from outside: they end by themselves.
  const stop = (error: unknown) => {
    problem ??= { error }
    Atomics.store(control, CONTROL.stop, 1)
  }
  const receive = (message: ThreadMessage) => {
    if (problem !== undefined) return
    try {
      onMessage(message)
    } catch (error) {
      stop(error)
    }
    if (message.type !== 'checkpoint') return
    Atomics.store(control, CONTROL.writing, 0)
    Atomics.notify(control, CONTROL.writing)
  }
  const ended = Array.from({ length: task.recipe.threads }, (_, thread) => {
    const workerData: ThreadTask = { ...task, thread }
    // From sources, in tests, they are compiled on the way.
    const options = file.endsWith('.ts') ? { execArgv: ['-r', 'esbuild-register'] } : {}
    const worker = new Worker(file, { workerData, ...options })
    worker.on('error', stop)
    worker.on('message', receive)
    return new Promise((resolve) => worker.on('exit', resolve))
  })
  await Promise.all(ended)
  if (problem !== undefined) throw problem.error
}

/** Normal with σ = 0.02, smaller where a block writes to the residual stream (Radford et al. 2019); norms start as identity. */
export function initialParameters(recipe: Recipe): Map<string, Float32Array> {
  const residual = 1 / Math.sqrt(2 * recipe.config.layers)
  return new Map(
    Object.entries(shapesOf(recipe)).map(([name, shape]) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
      if (shape.length === 1) return [name, values.fill(name.endsWith('norm.weight') ? 1 : 0)]
      const random = randomStream(recipe.seed, 'pretrain/init', name)
      const sigma = 0.02 * (/\.(attn\.out|mlp\.proj)\.weight$/.test(name) ? residual : 1)
      return [name, values.map(() => sigma * random.normal())]
    })
  )
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

/** Parameters and optimizer of a run that goes on. */
class Checkpoint {
  readonly #dir: string
  readonly #recipe: Recipe

  constructor(dir: string, recipe: Recipe) {
    this.#dir = dir
    this.#recipe = recipe
  }

  write(shared: Shared, steps: number): void {
    const tensors = new Map<string, TensorToWrite>()
    for (const group of GROUPS)
      for (const [name, data] of viewsOf(this.#recipe, shared[group]))
        tensors.set(`${group}/${name}`, { shape: [data.length], data })
    // The whole folder at once: a checkpoint is either the old one or the new one.
    replaceWhole(this.#dir, (fresh) => {
      mkdirSync(fresh)
      writeSafetensors(join(fresh, 'state.safetensors'), tensors)
      writeFileSync(join(fresh, 'state.json'), JSON.stringify({ steps, recipe: this.#recipe }))
    })
  }

  /**
   * Puts back what was written last.
   * @returns the steps it was written after; 0 when nothing was
   * @throws UserError when it belongs to another recipe
   */
  read(shared: Shared): number {
    const file = join(this.#dir, 'state.json')
    if (!existsSync(file)) return 0
    const { steps, recipe } = JSON.parse(readFileSync(file, 'utf8')) as { steps: number; recipe: Recipe }
    if (JSON.stringify(recipe) !== JSON.stringify(this.#recipe)) {
      throw new UserError('the checkpoint was made with other settings than these', {
        place: file,
        hint: 'repeat the settings it was started with, or start again without --resume'
      })
    }
    const { tensors } = readSafetensorsHeader(join(this.#dir, 'state.safetensors'))
    for (const group of GROUPS)
      for (const [name, values] of viewsOf(this.#recipe, shared[group])) {
        const key = `${group}/${name}`
        values.set(readTensor(key, tensors.get(key)!))
      }
    return steps
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true })
  }
}

const GROUPS = ['parameters', 'first', 'second'] as const
