import { join } from 'node:path'
import { loadCases } from '../../datasets'
import { loadDataset } from '../../datasets/load'
import type { EditCase } from '../../datasets/types'
import { loadMethod } from '../../methods/load'
import type { Corpus, EditingMethod, MethodContext, TrainingProgress } from '../../methods/types'
import { UserError } from '../errors'
import { type LanguageModel, type ModelIdentity, openModel } from '../model'
import type { Setup } from '../results/manifest'
import { findMeasure } from '../scoring/measures'
import { codeHash, rememberOnDisk } from '../scoring/remember'
import { useBackend } from '../tensor'
import { traceFacts } from '../tracing/trace'
import { artifactKey, readArtifact, readCheckpoint, writeArtifact, writeCheckpoint } from './artifacts'
import { openCorpus } from './corpus'
import { caseStream, hashOfCases } from './data'
import type { ReadyMethod } from './edit-groups'
import { findFor } from './find'
import { executeShard } from './shard'
import type { MethodTask, ShardResult, Task, TaskResults, WorkEvent, WorkerSetup } from './tasks'

/** What goes wrong in code from outside is no mistake of ours. */
async function blaming<T>({ module }: MethodTask, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (error instanceof UserError || module === undefined) throw error
    throw new UserError((error as Error).message, { place: module.file, cause: error })
  }
}

interface PreparedMethod extends ReadyMethod {
  readonly setup: Setup
}

/** What a worker process keeps between tasks: its models, and what methods prepared. */
export class WorkerState {
  readonly #onEvent: (event: WorkEvent) => void
  readonly #models = new Map<string, LanguageModel>()
  #backend: string | undefined
  #corpus: Corpus | undefined
  /** What methods made once, by what it depends on. */
  readonly #kept = new Map<string, unknown>()
  /** Shared work of methods, by method, hyper-parameters and model. */
  readonly #prepared = new Map<string, PreparedMethod>()

  constructor(onEvent: (event: WorkEvent) => void) {
    this.#onEvent = onEvent
  }

  async execute(setup: WorkerSetup, task: Task): Promise<TaskResults[Task['type']]> {
    this.#backend ??= (await useBackend(setup.backend, { threads: setup.threads })).name
    const opened = 'opened' in task ? task.opened : undefined
    const model = await this.#open(task.model, opened)
    if (opened !== undefined && opened.hash !== model.hash) {
      throw new UserError('the weights changed during the run', {
        place: task.model,
        hint: 'start the run anew; what is stored was computed with the weights it began with'
      })
    }
    switch (task.type) {
      case 'open': {
        const { identity, config } = model
        return { ...identity, architecture: config.architecture, backend: this.#backend }
      }
      case 'weights-hash':
        return { weightsHash: model.weightsHash() }
      case 'trace':
        return traceFacts(model, task.facts, task.options, task.among)
      case 'train':
        return this.#train(setup, model, task.method)
      case 'prepare':
        return (await this.#prepare(setup, model, task.method)).setup
      case 'find':
        return findFor(await this.#prepare(setup, model, task.method), model, task.cases)
      case 'shard':
        return this.#shard(setup, model, task)
    }
  }

  async #open(name: string, opened: ModelIdentity | undefined): Promise<LanguageModel> {
    const known = this.#models.get(name)
    if (known !== undefined) return known
    const model = await openModel(name, opened)
    this.#models.set(name, model)
    return model
  }

  /** What a method learns beforehand, from the cache or now. */
  async #train(setup: WorkerSetup, model: LanguageModel, task: MethodTask): Promise<TaskResults['train']> {
    const { method, h, key } = await this.#artifact(setup, model, task)
    const { cacheDir } = setup
    const known = readArtifact(cacheDir, key, (file) =>
      this.#log('what was learnt is damaged and learnt again', { file })
    )
    if (known !== undefined) return { ms: known.ms, how: 'cached', artifact: key }
    const before = readCheckpoint(cacheDir, key)
    const start = performance.now()
    const ms = () => (before?.ms ?? 0) + performance.now() - start
    const learn = method.train!(model, this.#trainingCases(setup, task), h, {
      ...this.#context(setup),
      onProgress: (progress: TrainingProgress) =>
        this.#onEvent({ type: 'training', setting: task.setting, ...progress }),
      checkpoint: () => before,
      saveCheckpoint: (some) => writeCheckpoint(cacheDir, key, some, ms())
    })
    const artifact = await blaming(task, learn)
    writeArtifact(cacheDir, key, artifact, ms())
    return { ms: ms(), how: 'computed', artifact: key }
  }

  async #artifact({ seed }: WorkerSetup, model: LanguageModel, task: MethodTask) {
    const method = await loadMethod(task.name, task.module)
    const h = method.hyperparameters.parse(task.hyperparameters)
    return { method, h, key: artifactKey(method, task, model, seed) }
  }

  /** The cases that a method learns from. @throws UserError when they are not those that were planned */
  async *#trainingCases({ seed }: WorkerSetup, { training }: MethodTask): AsyncGenerator<EditCase> {
    const hash = hashOfCases()
    for (const entry of training!.entries) {
      const dataset = await loadDataset(entry.name, entry.module)
      for await (const editCase of loadCases(dataset, entry.source, caseStream(entry, seed))) {
        hash.add(editCase)
        yield editCase
      }
    }
    if (hash.digest() === training!.hash) return
    throw new UserError('the training data changed during the run', { hint: 'start the run anew' })
  }

  /** The work that all edits of a method share: done once, and kept. */
  async #prepare(setup: WorkerSetup, model: LanguageModel, task: MethodTask): Promise<PreparedMethod> {
    const id = JSON.stringify([task.name, task.module?.hash, task.hyperparameters, model.hash])
    const known = this.#prepared.get(id)
    if (known !== undefined) return known
    const method: EditingMethod = await loadMethod(task.name, task.module)
    const h = method.hyperparameters.parse(task.hyperparameters)
    const artifact =
      task.training === undefined
        ? undefined
        : readArtifact(setup.cacheDir, (await this.#artifact(setup, model, task)).key)
    if (task.training !== undefined && artifact === undefined)
      throw new UserError(`what ${method.title} learns is not in the cache`, { place: setup.cacheDir })
    const parts: { what: string; how: 'computed' | 'cached' }[] = []
    const start = performance.now()
    const context = {
      ...this.#context(setup),
      onSetup: (what: string, how: 'computed' | 'cached') => void parts.push({ what, how }),
      keep: <T>(of: string, make: () => T): T => {
        if (!this.#kept.has(of)) this.#kept.set(of, make())
        return this.#kept.get(of) as T
      }
    }
    const state = await blaming(task, Promise.resolve(method.prepare?.(model, h, context, artifact)))
    const prepared = { method, h, state, setup: { ms: performance.now() - start, parts } }
    this.#prepared.set(id, prepared)
    return prepared
  }

  #context(setup: WorkerSetup): MethodContext {
    if (setup.corpus !== undefined) this.#corpus ??= openCorpus(setup.corpus)
    return {
      seed: setup.seed,
      cacheDir: setup.cacheDir,
      log: (message, details) => this.#log(message, details),
      ...(this.#corpus === undefined ? {} : { corpus: this.#corpus })
    }
  }

  #log(message: string, details?: Readonly<Record<string, unknown>>): void {
    this.#onEvent({ type: 'log', message, ...(details === undefined ? {} : { details }) })
  }

  async #shard(setup: WorkerSetup, model: LanguageModel, task: Extract<Task, { type: 'shard' }>): Promise<ShardResult> {
    // Already done by the run's first worker, and then quick; never part of an edit's time.
    const ready: ReadyMethod[] = []
    for (const method of task.methods) ready.push(await this.#prepare(setup, model, method))
    return executeShard(task, ready, model, {
      context: this.#context(setup),
      scoring: {
        localityTokens: setup.localityTokens,
        measures: task.measures.map(findMeasure),
        ...(setup.freeAnswers === undefined ? {} : { freeAnswers: setup.freeAnswers }),
        remember: rememberOnDisk(join(setup.cacheDir, 'base-answers'), [
          model.hash,
          this.#backend,
          setup.threads,
          codeHash()
        ])
      },
      ...(setup.judge === undefined ? {} : { judge: setup.judge }),
      onEvent: this.#onEvent
    })
  }
}
