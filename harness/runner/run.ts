import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { saveEdit } from '../edit'
import { UserError } from '../errors'
import { fileName } from '../file-name'
import { type Manifest, RUN_FORMAT, readManifest, type Setting, type Setup } from '../results/manifest'
import { listRuns, readRows } from '../results/runs'
import { JUDGE_PROMPT } from '../scoring/judge'
import { Failures, ProgressCount, TooManyFailed } from './counts'
import type { OnRunEvent } from './events'
import type { Executor } from './executor'
import { RunFolder, writeShard } from './folder'
import { cacheDir, describeMachine, gitCommit, packageVersion } from './machine'
import { type Plan, type PlannedSetting, placeOfSkipped } from './plan'
import { WorkerPool } from './pool'
import { Searches } from './searches'
import type { PlannedShard } from './shards'
import { methodKey, type OpenedModel, type ShardTask, type WorkEvent, type WorkerSetup } from './tasks'

export interface RunOptions {
  /** Folder of all runs. */
  readonly resultsDir: string
  /** Go on with the run of the same plan, where there is one; a complete one is left as it is. */
  readonly resume: boolean
  /** With `resume`: compute again what holds failed cases, of a complete run too. */
  readonly retryFailed?: boolean
  readonly onEvent: OnRunEvent
  /** Stops the run; what is stored stays. */
  readonly signal: AbortSignal
  /** Who does the work; worker processes of this machine when missing. */
  readonly executor?: (workers: number, setup: WorkerSetup, onEvent: (event: WorkEvent) => void) => Executor
}

export interface FinishedRun {
  readonly dir: string
  readonly manifest: Manifest
  readonly edits: number
  readonly failed: number
  /** Shards that an earlier session had already done. */
  readonly resumedShards: number
}

/** The run was stopped before its end; it can be resumed. */
export class RunInterrupted extends Error {
  constructor(
    readonly dir: string,
    readonly stored: number,
    readonly shards: number,
    /** Whether there is something to go on from: shards, or what was found for facts. */
    readonly kept: boolean,
    /** Why it stopped itself; undefined when it was stopped from outside. */
    readonly reason?: string
  ) {
    super(reason ?? 'interrupted')
  }
}

/**
 * Executes a plan: opens the models, does the shared work of the methods, then all shards side by side in worker processes,
 * and merges their rows in the order of the plan. Whatever finishes when, the answers are the same bytes.
 */
export async function executeRun(plan: Plan, options: RunOptions): Promise<FinishedRun> {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  let folder: RunFolder | undefined
  // What whoever watches is told is told the log too, but for the counting.
  const onEvent: OnRunEvent = (event) => {
    if (event.type !== 'progress' && event.type !== 'edited' && event.type !== 'preparing') folder?.log(event)
    options.onEvent(event)
  }
  const progress = new ProgressCount(plan, onEvent)
  const make = options.executor ?? ((workers, setup, listen) => new WorkerPool(workers, setup, listen))
  const executor = make(plan.workers, workerSetup(plan), (event) => {
    if (event.type === 'edited') progress.edit(event.setting, event.count)
    onEvent(event)
  })
  const work = async (): Promise<FinishedRun> => {
    onEvent({ type: 'preparing', cases: progress.total })
    const opened = await openModels(plan, executor, onEvent)
    const found = findRun(plan, opened, options)
    if (found !== undefined && 'edits' in found) return found
    const run = found ?? newFolder(plan, opened, options)
    folder = run
    const { dir, resumed } = run
    onEvent({ type: 'started', run: run.manifest.id, dir, resumed, shards: plan.shards.length, workers: plan.workers })
    await prepareMethods(plan, executor, run, opened, onEvent)
    const failures = new Failures(plan)
    const missing = missingShards(
      plan,
      run,
      options.retryFailed === true,
      (shard, failed) => {
        failures.add(failed)
        progress.skip(shard)
      },
      onEvent
    )
    const searches = new Searches(plan, executor, run.foundDir, (setting, count) => progress.find(setting, count))
    const doShard = async (shard: PlannedShard) => {
      const found = await searches.for(shard, opened.get(shard.model)!)
      const failed = await runShard(plan, shard, executor, run, opened.get(shard.model)!, found)
      onEvent({ type: 'shard', index: shard.index, cases: shard.cases.length, failed })
      failures.add(failed)
    }
    // Side by side, but for what rests on another.
    const done = new Map<number, Promise<void>>()
    for (const shard of missing) {
      const before = done.get(shard.previous ?? -1)
      done.set(shard.index, before === undefined ? doShard(shard) : before.then(() => doShard(shard)))
    }
    await Promise.all(done.values())
    await checkWeights(executor, opened)
    const manifest = run.finish(plan.shards, seconds())
    onEvent({ type: 'complete', seconds: seconds() })
    return { dir: run.dir, manifest, ...failures.count(), resumedShards: plan.shards.length - missing.length }
  }
  // A worker in the middle of its work does not answer, so stopping is a race.
  const stopped = new Promise<never>((_, reject) => {
    options.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
  })
  try {
    return await Promise.race([work(), stopped])
  } catch (error) {
    // Nobody writes into the folder any more once the workers are gone.
    await executor.close()
    const stored = folder?.storedShards(plan.shards).length ?? 0
    // A run that came to nothing leaves nothing.
    const kept = folder !== undefined && (stored > 0 || folder.resumed || existsSync(folder.foundDir))
    if (folder?.manifest.status === 'running') {
      if (kept) folder.pause(seconds())
      else folder.remove()
    }
    const failed = error instanceof TooManyFailed
    if (!options.signal.aborted && !failed) throw error
    const reason = failed ? error.message : undefined
    throw new RunInterrupted(folder?.dir ?? options.resultsDir, stored, plan.shards.length, kept, reason)
  } finally {
    await executor.close()
    folder?.release()
  }
}

/**
 * Shards that are still to be computed. A link of a chain rests on the edit that those before came to, and parts of a batch on the edit that the
 * first makes, so that what comes after one that is computed again is computed again too.
 */
function missingShards(
  plan: Plan,
  run: RunFolder,
  retryFailed: boolean,
  onStored: (shard: PlannedShard, failed: number) => void,
  onEvent: OnRunEvent
): PlannedShard[] {
  const missing = new Set<number>()
  return plan.shards.filter((shard) => {
    const edits = run.editsOf(shard, (reason) => onEvent({ type: 'damaged', index: shard.index, reason }))
    const failed = edits?.filter((e) => e.error !== null).length ?? 0
    const follows = shard.previous !== undefined && missing.has(shard.previous)
    if (edits !== undefined && !follows && (failed === 0 || !retryFailed)) {
      onStored(shard, failed)
      return false
    }
    run.drop(shard)
    missing.add(shard.index)
    return true
  })
}

export function workerSetup({ config, threads, corpus }: Plan): WorkerSetup {
  return {
    backend: config.backend,
    threads,
    seed: config.seed,
    cacheDir: cacheDir(),
    localityTokens: config.scoring.locality_tokens,
    ...freeAnswersOf(config),
    ...(corpus === undefined ? {} : { corpus })
  }
}

function freeAnswersOf({
  scoring: { free_answers: free }
}: Plan['config']): Pick<WorkerSetup, 'freeAnswers' | 'judge'> {
  if (free === undefined) return {}
  const { context, max_tokens: maxTokens, judge } = free
  const freeAnswers = { context, maxTokens }
  return judge === undefined
    ? { freeAnswers }
    : { freeAnswers, judge: { url: judge.url, model: judge.model, keyFrom: judge.key_from } }
}

async function openModels(plan: Plan, executor: Executor, onEvent: OnRunEvent): Promise<Map<string, OpenedModel>> {
  const opened = new Map<string, OpenedModel>()
  for (const model of plan.config.models) opened.set(model, await executor.run({ type: 'open', model }))
  if (plan.config.backend === 'auto' && [...opened.values()].some((m) => m.backend === 'cpu'))
    onEvent({
      type: 'note',
      message:
        'no fast backend is installed: plain JavaScript computes, many times slower; `bench doctor` says why, and npm install --ignore-scripts brings it'
    })
  return opened
}

/** What methods learn, and the work all edits of a method share: once for a method, a model and its hyper-parameters. */
async function prepareMethods(
  plan: Plan,
  executor: Executor,
  folder: RunFolder,
  opened: ReadonlyMap<string, OpenedModel>,
  onEvent: OnRunEvent
): Promise<void> {
  const done = new Map<string, Setup>()
  for (const { id, model, method } of plan.settings) {
    const known = folder.manifest.setup[id]
    const key = methodKey(model, method)
    let setup = done.get(key)
    if (setup === undefined) {
      const task = { model, opened: opened.get(model)!, method }
      const training = method.training === undefined ? undefined : await executor.run({ type: 'train', ...task })
      if (known !== undefined) continue
      if (training !== undefined) onEvent({ type: 'trained', setting: id, training })
      const prepared = await executor.run({ type: 'prepare', ...task })
      setup = training === undefined ? prepared : { ...prepared, training }
      done.set(key, setup)
      onEvent({ type: 'prepared', setting: id, setup })
    }
    if (known === undefined) folder.setup(id, setup)
  }
}

/** @returns how many edits of the shard failed */
async function runShard(
  plan: Plan,
  shard: PlannedShard,
  executor: Executor,
  folder: RunFolder,
  opened: OpenedModel,
  found: NonNullable<ShardTask['found']>
): Promise<number> {
  const { store_edits: store } = plan.config
  const all = shard.settings[0]!.cases
  const stored = store === 'all' ? all : all.slice(0, store)
  const before = plan.shards[shard.previous ?? -1]
  const soFar = before === undefined ? undefined : folder.soFar(before)
  const made = before?.batch === undefined ? undefined : folder.madeIn(before)
  const result = await executor.run({
    type: 'shard',
    model: shard.model,
    opened,
    methods: shard.settings.map((s) => s.method),
    measures: shard.dataset.measures,
    protocol: shard.protocol,
    cases: shard.cases,
    start: shard.start,
    storeEditsOf: stored.map((c) => c.id),
    ...(soFar === undefined ? {} : { soFar }),
    ...(shard.batch === undefined ? {} : { batch: shard.batch }),
    ...(made === undefined ? {} : { made }),
    ...(found.some((f) => f !== undefined) ? { found } : {}),
    ...(shard.checkpoint ? { askAgain: [...all.slice(0, shard.start), ...plan.ability] } : {})
  })
  const model = { name: shard.settings[0]!.modelName, hash: opened.hash }
  for (const { setting, caseId, edit } of result.stored)
    saveEdit(join(folder.dir, 'edits', setting, fileName(caseId)), edit, model)
  writeShard(folder.shardDir(shard), result, model)
  return result.failed
}

/** Edits are values: the base weights must be the same bytes after the run. */
export async function checkWeights(
  executor: Pick<Executor, 'run'>,
  opened: ReadonlyMap<string, OpenedModel>
): Promise<void> {
  for (const [model, before] of opened) {
    const after = await executor.run({ type: 'weights-hash', model, opened: before })
    if (after.weightsHash !== before.weightsHash) throw new Error(`the weights of ${model} changed during the run`)
  }
}

/** Hash of all that decides the answers. */
function hashOfRun(plan: Plan, opened: ReadonlyMap<string, OpenedModel>): string {
  const models = [...opened].map(([name, { hash, backend }]) => [name, hash, backend])
  return createHash('sha256')
    .update(JSON.stringify([plan.hash, packageVersion(), models]))
    .digest('hex')
}

/** The run of the same plan to go on with, or a complete one as it is; undefined when a new one is wanted. */
function findRun(
  plan: Plan,
  opened: ReadonlyMap<string, OpenedModel>,
  { resume, resultsDir, retryFailed, onEvent }: RunOptions
): RunFolder | FinishedRun | undefined {
  if (!resume) return undefined
  const hash = hashOfRun(plan, opened)
  const note = (message: string) => onEvent({ type: 'note', message })
  const unreadable = (problem: UserError) => note(`left alone: ${problem.format()}`)
  const same = listRuns(resultsDir, unreadable).filter((r) => r.manifest.hash === hash)
  const running = same.find((r) => r.manifest.status === 'running')
  if (running !== undefined) return RunFolder.resume(running.dir, running.manifest)
  for (const { dir, manifest } of same) {
    try {
      const rows = readRows(dir, manifest)
      const failed = rows.edits.filter((e) => e.error !== null).length
      if (failed === 0 || retryFailed !== true)
        return { dir, manifest, edits: rows.edits.length, failed, resumedShards: plan.shards.length }
      const folder = RunFolder.resume(dir, readManifest(dir))
      folder.reopen(plan.shards, rows)
      return folder
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      unreadable(error)
    }
  }
  note(`no run of this config and data in ${resultsDir}; starting a new one`)
  return undefined
}

/** A folder named by the config and the hash of the run; beside an older run of the same name it gets a number, so that nothing is lost. */
function newFolder(plan: Plan, opened: ReadonlyMap<string, OpenedModel>, { resultsDir }: RunOptions): RunFolder {
  const hash = hashOfRun(plan, opened)
  const backends = [...new Set([...opened.values()].map((m) => m.backend))]
  const manifestOf = (id: string): Manifest => ({
    format: RUN_FORMAT,
    id,
    name: plan.config.name,
    hash,
    status: 'running',
    startedAt: new Date().toISOString(),
    seconds: 0,
    version: packageVersion(),
    gitCommit: gitCommit(),
    machine: { ...describeMachine(), backend: backends.join(', '), workers: plan.workers },
    config: plan.config,
    settings: plan.settings.map((s) => describeSetting(s, opened.get(s.model)!, plan.config)),
    setup: {},
    weights: Object.fromEntries([...opened].map(([name, m]) => [name, m.weightsHash])),
    skipped: plan.datasets.flatMap((d) =>
      d.skipped.map((s) => ({
        dataset: d.label,
        place: placeOfSkipped(s),
        kind: s.kind,
        reason: s.reason
      }))
    ),
    shards: plan.shards.length
  })
  return RunFolder.create(resultsDir, fileName(`${plan.config.name}-${hash.slice(0, 12)}`), manifestOf)
}

function describeSetting(
  { id, label, modelName, dataset, method, editing, valuesFrom, protocol }: PlannedSetting,
  opened: OpenedModel,
  { scoring }: Plan['config']
): Setting {
  const { title, family, source, holdsMany } = editing
  const skipped = (kind: string) => dataset.skipped.filter((s) => s.kind === kind).length
  return {
    id,
    label,
    method: {
      name: method.name,
      title,
      family,
      source,
      holdsMany,
      hyperparameters: method.hyperparameters,
      ...(valuesFrom === undefined ? {} : { valuesFrom })
    },
    model: { name: modelName, hash: opened.hash, architecture: opened.architecture },
    dataset: {
      name: dataset.label,
      title: dataset.title,
      source: dataset.source,
      hash: dataset.hash,
      options: dataset.options,
      skipped: { malformed: skipped('malformed'), noEdit: skipped('no edit') }
    },
    protocol,
    measures: dataset.measures,
    scoring: {
      locality_tokens: scoring.locality_tokens,
      ...(scoring.free_answers === undefined ? {} : { free_answers: scoring.free_answers }),
      ...(scoring.free_answers?.judge === undefined ? {} : { judge_prompt: JUDGE_PROMPT })
    }
  }
}
