import { join } from 'node:path'
import type { EditCase } from '../../datasets/types'
import { findMethod } from '../../methods'
import type { Corpus, EditContext, EditingMethod } from '../../methods/types'
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
        const { method, h } = resolve(task.method)
        const parts: { what: string; how: 'computed' | 'cached' }[] = []
        const onSetup = (what: string, how: 'computed' | 'cached') => void parts.push({ what, how })
        const start = performance.now()
        await method.prepare?.(model, h, { ...this.#context(setup), onSetup })
        return { ms: performance.now() - start, parts }
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

  #context(setup: WorkerSetup): EditContext {
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
      const { method, h } = resolve(methodTask)
      const context = this.#context(setup)
      // Already done by the run's first worker, and then quick; never part of an edit's time.
      await method.prepare?.(model, h, context)
      const onEdit = (count: number) => this.#send({ type: 'edit', setting, count })
      const outcomes = await editAll(method, model, cases, h, context, onEdit)
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

function resolve({ name, hyperparameters }: MethodTask): { method: EditingMethod; h: never } {
  const method = findMethod(name)
  return { method, h: method.hyperparameters.parse(hyperparameters) as never }
}

interface Outcome {
  readonly edit?: Edit
  readonly editMs?: number
  readonly together?: number
  readonly peakBytes?: number
  readonly error?: string
}

/**
 * The edit of every case. When the method fails on all together, each case is tried alone, one after another, so that one bad case costs only
 * itself and each has its own time.
 */
export async function editAll(
  method: EditingMethod,
  model: LanguageModel,
  cases: readonly EditCase[],
  h: never,
  context: EditContext,
  onEdit: (count: number) => void = () => {}
): Promise<Outcome[]> {
  const costs: { editMs: number; together: number; peakBytes: number }[] = []
  let start = performance.now()
  let peak = watchTensorBytes()
  try {
    const groups = cases.map((c) => [c.request])
    const edits = await method.edit(model, groups, h, {
      ...context,
      onEdit(done) {
        const together = done.length
        const cost = { editMs: (performance.now() - start) / together, together, peakBytes: peak() }
        for (const i of done) costs[i] = cost
        onEdit(together)
        start = performance.now()
        peak = watchTensorBytes()
      }
    })
    return edits.map((edit, i) => {
      const problem = problemOf(edit, model)
      if (problem !== undefined) return failed(cases[i]!, problem, context)
      return { edit, ...costs[i] }
    })
  } catch (error) {
    const [only, ...more] = cases
    if (only === undefined) return []
    if (more.length === 0) return [failed(only, error, context)]
    const outcomes: Outcome[] = []
    for (const c of cases) outcomes.push(...(await editAll(method, model, [c], h, context, onEdit)))
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

function failed({ id }: EditCase, error: unknown, context: EditContext): Outcome {
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
