import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { findMethod } from '../../methods'
import { UserError } from '../errors'
import { fileName } from '../file-name'
import { type Manifest, readManifest, type Setting } from '../results/manifest'
import { listRuns } from '../results/runs'
import type { Setup } from '../results/types'
import { RunFolder, readRows } from './folder'
import { cacheDir, describeMachine, gitCommit, packageVersion } from './machine'
import { type Plan, type PlannedSetting, type PlannedShard, placeOfSkipped } from './plan'
import { WorkerPool } from './pool'
import type { OpenedModel, WorkerSetup } from './tasks'

export interface RunProgress {
  readonly phase: 'preparing' | 'editing'
  /** Edits computed, and in all. */
  readonly done: number
  readonly total: number
}

export interface RunOptions {
  /** Folder of all runs. */
  readonly resultsDir: string
  /** Go on with the run of the same plan, where there is one; a complete one is left as it is. */
  readonly resume: boolean
  /** With `resume`: compute again what holds failed cases, of a complete run too. */
  readonly retryFailed?: boolean
  readonly onProgress: (progress: RunProgress) => void
  readonly onLog: (message: string) => void
  /** Stops the run; what is stored stays. */
  readonly signal: AbortSignal
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
    /** Why it stopped itself; undefined when it was stopped from outside. */
    readonly reason?: string
  ) {
    super(reason ?? 'interrupted')
  }
}

/** More cases failed than the config allows. */
class TooManyFailed extends Error {}

/**
 * Executes a plan: opens the models, does the shared work of the methods, then all shards side by side in worker processes,
 * and merges their rows in the order of the plan. Whatever finishes when, the answers are the same bytes.
 */
export async function executeRun(plan: Plan, options: RunOptions): Promise<FinishedRun> {
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const pool = new WorkerPool(plan.workers, workerSetup(plan), {
    onEdit: (_, count) => progress.edit(count),
    onLog: (message, details) => log?.(message, details)
  })
  let log: ((message: string, details?: Readonly<Record<string, unknown>>) => void) | undefined
  const progress = new ProgressCount(plan, options.onProgress)
  let folder: RunFolder | undefined
  const work = async (): Promise<FinishedRun> => {
    options.onProgress({ phase: 'preparing', done: 0, total: progress.total })
    const opened = await openModels(plan, pool, options.onLog)
    const found = findRun(plan, opened, options)
    if (found !== undefined && 'edits' in found) return found
    const run = found ?? newFolder(plan, opened, options)
    folder = run
    log = (message, details) => run.log(message, details)
    log(run.resumed ? 'resumed' : 'started', { shards: plan.shards.length, workers: plan.workers })
    await prepareMethods(plan, pool, run, opened)
    const failures = new Failures(plan)
    const missing = plan.shards.filter((shard) => {
      const edits = run.editsOf(shard)
      const failed = edits?.filter((e) => e.error !== null).length ?? 0
      if (edits === undefined) return true
      if (failed === 0 || options.retryFailed !== true) {
        failures.add(failed)
        progress.skip(shard)
        return false
      }
      run.drop(shard)
      return true
    })
    await Promise.all(
      missing.map(async (shard) => failures.add(await runShard(plan, shard, pool, run, opened.get(shard.model)!)))
    )
    await checkWeights(pool, opened)
    const manifest = run.finish(plan.shards, seconds())
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
    await pool.close()
    const stored = folder?.storedShards(plan.shards).length ?? 0
    if (folder?.manifest.status === 'running') {
      // A run that came to nothing leaves nothing.
      if (stored === 0 && !folder.resumed) folder.remove()
      else folder.pause(seconds())
    }
    const failed = error instanceof TooManyFailed
    if (!options.signal.aborted && !failed) throw error
    const reason = failed ? error.message : undefined
    throw new RunInterrupted(folder?.dir ?? options.resultsDir, stored, plan.shards.length, reason)
  } finally {
    await pool.close()
    folder?.release()
  }
}

function workerSetup({ config, threads, corpus }: Plan): WorkerSetup {
  return {
    backend: config.backend,
    threads,
    seed: config.seed,
    cacheDir: cacheDir(),
    localityTokens: config.scoring.locality_tokens,
    ...(corpus === undefined ? {} : { corpus })
  }
}

async function openModels(plan: Plan, pool: WorkerPool, onLog: RunOptions['onLog']): Promise<Map<string, OpenedModel>> {
  const opened = new Map<string, OpenedModel>()
  for (const model of plan.config.models) opened.set(model, await pool.run({ type: 'open', model }))
  if (plan.config.backend === 'auto' && [...opened.values()].some((m) => m.backend === 'cpu'))
    onLog(
      'no fast backend is installed: plain JavaScript computes, many times slower; `bench doctor` says why, and npm install --ignore-scripts brings it'
    )
  return opened
}

/** The work all edits of a method share, once for a method, a model and its hyper-parameters. */
async function prepareMethods(
  plan: Plan,
  pool: WorkerPool,
  folder: RunFolder,
  opened: ReadonlyMap<string, OpenedModel>
): Promise<void> {
  const done = new Map<string, Setup>()
  for (const { id, model, method } of plan.settings) {
    if (folder.manifest.setup[id] !== undefined) continue
    const key = JSON.stringify([model, method.name, method.hyperparameters])
    const setup = done.get(key) ?? (await pool.run({ type: 'prepare', model, opened: opened.get(model)!, method }))
    done.set(key, setup)
    folder.setup(id, setup)
  }
}

/** @returns how many edits of the shard failed */
async function runShard(
  plan: Plan,
  shard: PlannedShard,
  pool: WorkerPool,
  folder: RunFolder,
  opened: OpenedModel
): Promise<number> {
  const { store_edits: store } = plan.config
  const stored = store === 'all' ? shard.dataset.cases : shard.dataset.cases.slice(0, store)
  const { failed } = await pool.run({
    type: 'shard',
    model: shard.model,
    opened,
    methods: shard.settings.map((s) => s.method),
    cases: shard.cases,
    dir: folder.shardDir(shard),
    editsDir: join(folder.dir, 'edits'),
    storeEditsOf: stored.map((c) => c.id)
  })
  folder.log('shard', { index: shard.index, cases: shard.cases.length, failed })
  return failed
}

/** Counts failed edits, and stops the run when there are more than the config allows. */
class Failures {
  readonly #edits: number
  readonly #most: number
  readonly #policy: string
  #failed = 0

  constructor({ shards, config }: Plan) {
    this.#edits = shards.reduce((sum, s) => sum + s.cases.length * s.settings.length, 0)
    const { max_failed: most } = config
    this.#policy = String(most)
    this.#most =
      most === undefined
        ? Number.POSITIVE_INFINITY
        : typeof most === 'number'
          ? most
          : (Number.parseInt(most, 10) / 100) * this.#edits
  }

  add(failed: number): void {
    this.#failed += failed
    if (this.#failed > this.#most)
      throw new TooManyFailed(
        `${this.#failed} of ${this.#edits} edits failed, more than max_failed: ${this.#policy} allows`
      )
  }

  count(): { edits: number; failed: number } {
    return { edits: this.#edits, failed: this.#failed }
  }
}

/** Edits are values: the base weights must be the same bytes after the run. */
export async function checkWeights(
  pool: Pick<WorkerPool, 'run'>,
  opened: ReadonlyMap<string, OpenedModel>
): Promise<void> {
  for (const [model, before] of opened) {
    const after = await pool.run({ type: 'weights-hash', model, opened: before })
    if (after.weightsHash !== before.weightsHash) throw new Error(`the weights of ${model} changed during the run`)
  }
}

class ProgressCount {
  readonly total: number
  readonly #report: (progress: RunProgress) => void
  #done = 0

  constructor(plan: Plan, report: (progress: RunProgress) => void) {
    this.total = plan.shards.reduce((sum, s) => sum + s.cases.length * s.settings.length, 0)
    this.#report = report
  }

  edit(count: number): void {
    // A case that is tried again counts once.
    this.#done = Math.min(this.total, this.#done + count)
    this.#report({ phase: 'editing', done: this.#done, total: this.total })
  }

  skip({ cases, settings }: PlannedShard): void {
    this.#done += cases.length * settings.length
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
  { resume, resultsDir, retryFailed, onLog }: RunOptions
): RunFolder | FinishedRun | undefined {
  if (!resume) return undefined
  const hash = hashOfRun(plan, opened)
  const unreadable = (problem: UserError) => onLog(`left alone: ${problem.format()}`)
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
  onLog(`no run of this config and data in ${resultsDir}; starting a new one`)
  return undefined
}

/** A folder named by the config and the hash of the run; beside an older run of the same name it gets a number, so that nothing is lost. */
function newFolder(plan: Plan, opened: ReadonlyMap<string, OpenedModel>, { resultsDir }: RunOptions): RunFolder {
  const hash = hashOfRun(plan, opened)
  const backends = [...new Set([...opened.values()].map((m) => m.backend))]
  const manifestOf = (id: string): Manifest => ({
    format: 'bench-run-2',
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
  { id, label, modelName, dataset, method }: PlannedSetting,
  opened: OpenedModel,
  { scoring }: Plan['config']
): Setting {
  const { title, family, source, holdsMany } = findMethod(method.name)
  const skipped = (kind: string) => dataset.skipped.filter((s) => s.kind === kind).length
  return {
    id,
    label,
    method: { name: method.name, title, family, source, holdsMany, hyperparameters: method.hyperparameters },
    model: { name: modelName, hash: opened.hash, architecture: opened.architecture },
    dataset: {
      name: dataset.label,
      title: dataset.title,
      source: dataset.source,
      hash: dataset.hash,
      options: dataset.options,
      skipped: { malformed: skipped('malformed'), noEdit: skipped('no edit') }
    },
    protocol: 'single',
    scoring: { locality_tokens: scoring.locality_tokens }
  }
}
