import { join } from 'node:path'
import type { EditCase } from '../../datasets/types'
import { findMethod } from '../../methods'
import type { Corpus, EditingMethod, MethodContext } from '../../methods/types'
import { checkEdit, type Edit, editBytes, saveEdit } from '../edit'
import { UserError } from '../errors'
import { fileName } from '../file-name'
import { type LanguageModel, openModel } from '../model'
import type { ModelIdentity } from '../model/types'
import type { AnswerRow, EditRow } from '../results/rows'
import { askBase, askEdited, tooLong } from '../scoring/score-cases'
import { useBackend, watchTensorBytes } from '../tensor'
import { openCorpus } from './corpus'
import { writeShard } from './folder'
import type { MethodTask, Task, TaskResults, WorkerMessage, WorkerSetup } from './tasks'

type ShardTask = Extract<Task, { type: 'shard' }>

/** What a worker process keeps between tasks. */
export class WorkerState {
  readonly #send: (message: WorkerMessage) => void
  readonly #models = new Map<string, LanguageModel>()
  #backend: string | undefined
  #corpus: Corpus | undefined
  /** What methods made once, by what it depends on. */
  readonly #kept = new Map<string, unknown>()
  /** Shared work of methods, by method, hyper-parameters and model. */
  readonly #prepared = new Map<string, Prepared>()

  constructor(send: (message: WorkerMessage) => void) {
    this.#send = send
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
      case 'prepare': {
        return (await this.#prepare(setup, model, task.method)).setup
      }
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

  /** The work that all edits of a method share: done once, and kept. */
  async #prepare(setup: WorkerSetup, model: LanguageModel, task: MethodTask): Promise<Prepared> {
    const key = JSON.stringify([task.name, task.hyperparameters, model.hash])
    const known = this.#prepared.get(key)
    if (known !== undefined) return known
    const method = findMethod(task.name)
    const h = method.hyperparameters.parse(task.hyperparameters)
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
    const state = await method.prepare?.(model, h, context, undefined)
    const prepared = { method, h, state, setup: { ms: performance.now() - start, parts } }
    this.#prepared.set(key, prepared)
    return prepared
  }

  #context(setup: WorkerSetup): MethodContext {
    if (setup.corpus !== undefined) this.#corpus ??= openCorpus(setup.corpus)
    return {
      seed: setup.seed,
      cacheDir: setup.cacheDir,
      log: (message, details) => this.#send({ type: 'log', message, ...(details === undefined ? {} : { details }) }),
      ...(this.#corpus === undefined ? {} : { corpus: this.#corpus })
    }
  }

  async #shard(setup: WorkerSetup, model: LanguageModel, task: ShardTask): Promise<TaskResults['shard']> {
    const options = { localityTokens: setup.localityTokens }
    const problems = task.cases.map((c) => tooLong(model, c, options))
    const cases = task.cases.filter((_, i) => problems[i] === undefined)
    const base = askBase(model, cases, options)
    const answers: AnswerRow[] = []
    const rows: EditRow[] = []
    for (const methodTask of task.methods) {
      const { setting } = methodTask
      // Already done by the run's first worker, and then quick; never part of an edit's time.
      const prepared = await this.#prepare(setup, model, methodTask)
      const onEdit = (count: number) => this.#send({ type: 'edit', setting, count })
      const outcomes = await editAll(prepared, model, cases, this.#context(setup), onEdit)
      const edits = outcomes.map((o) => o.edit)
      const { rows: own, broken } = askEdited(model, base, edits, setting)
      for (const [i, error] of broken) outcomes[i] = { error }
      answers.push(...own)
      for (const [i, editCase] of task.cases.entries()) {
        const error = problems[i]
        const outcome: Outcome = error === undefined ? outcomes[cases.indexOf(editCase)]! : { error }
        rows.push(editRow(setting, editCase, outcome))
        if (outcome.edit !== undefined && task.storeEditsOf.includes(editCase.id))
          saveEdit(join(task.editsDir, setting, fileName(editCase.id)), outcome.edit, model)
      }
    }
    writeShard(task.dir, { answers, edits: rows })
    return { failed: rows.filter((r) => r.error !== null).length }
  }
}

/** A method with its hyper-parameters and what the work shared by all edits came to. */
export interface Prepared {
  readonly method: EditingMethod
  readonly h: unknown
  readonly state: unknown
  readonly setup: TaskResults['prepare']
}

interface Outcome {
  readonly edit?: Edit
  readonly editMs?: number
  readonly together?: number
  readonly peakBytes?: number
  readonly error?: string
}

/**
 * The edit of every case. When the method fails on some together, each case that is left is tried alone, one after another, so that one bad
 * case costs only itself and each has its own time.
 */
export async function editAll(
  prepared: Pick<Prepared, 'method' | 'h' | 'state'>,
  model: LanguageModel,
  cases: readonly EditCase[],
  context: MethodContext,
  onEdit: (count: number) => void = () => {}
): Promise<Outcome[]> {
  const { method, h, state } = prepared
  const outcomes: Outcome[] = []
  const groups = cases.map((c) => [c.request])
  let start = performance.now()
  let peak = watchTensorBytes()
  try {
    for await (const edits of method.edit(model, groups, h, context, state)) {
      const together = edits.length
      const cost = { editMs: (performance.now() - start) / together, together, peakBytes: peak() }
      for (const edit of edits) {
        const problem = problemOf(edit, model)
        const editCase = cases[outcomes.length]!
        outcomes.push(problem === undefined ? { edit, ...cost } : failed(editCase, problem, context))
      }
      onEdit(together)
      start = performance.now()
      peak = watchTensorBytes()
    }
    return outcomes
  } catch (error) {
    const left = cases.slice(outcomes.length)
    if (left.length <= 1) return [...outcomes, ...left.map((c) => failed(c, error, context))]
    for (const c of left) outcomes.push(...(await editAll(prepared, model, [c], context, onEdit)))
    return outcomes
  }
}

/** What is wrong with an edit: numbers that are none, or parts that do not fit the model. */
function problemOf(edit: Edit, model: LanguageModel): unknown {
  try {
    checkEdit(edit, model)
    return undefined
  } catch (error) {
    return error
  }
}

function failed({ id }: EditCase, error: unknown, context: MethodContext): Outcome {
  const message = error instanceof UserError ? error.format() : `${(error as Error).stack ?? error}`
  context.log(`case ${id} failed`, { message })
  return { error: error instanceof UserError ? error.message : (error as Error).message }
}

function editRow(
  setting: string,
  { id, request }: EditCase,
  { edit, editMs, together, peakBytes, error }: Outcome
): EditRow {
  const { lossCurve = [], flops, values = {} } = edit?.diagnostics ?? {}
  return {
    setting,
    caseId: id,
    prompt: request.prompt,
    subject: request.subject,
    target: request.target,
    editMs: editMs ?? null,
    together: together ?? null,
    flops: flops ?? null,
    peakBytes: peakBytes ?? null,
    editBytes: edit === undefined ? null : editBytes(edit),
    lossCurve,
    diagnostics: JSON.stringify(values),
    error: error ?? null
  }
}
