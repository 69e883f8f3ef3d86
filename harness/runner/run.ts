import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { findMethod } from '../../methods'
import { UserError } from '../errors'
import { embeddedModels } from '../model/registry'
import { type Manifest, type Setting, writeManifest } from '../results/manifest'
import { listRuns } from '../results/runs'
import { answersTable, editsTable } from '../results/tables'
import type { Setup } from '../results/types'
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

/** The run was stopped from outside; it can be resumed. */
export class RunInterrupted extends Error {
  constructor(
    readonly dir: string,
    readonly stored: number,
    readonly shards: number
  ) {
    super('interrupted')
  }
}

/**
 * Executes a plan: opens the models, does the shared work of the methods, then all shards side by side in worker processes,
 * and merges their rows in the order of the plan. Whatever finishes when, the answers are the same bytes.
 */
export async function executeRun(plan: Plan, options: RunOptions): Promise<FinishedRun> {
  const started = performance.now()
  const pool = new WorkerPool(plan.workers, workerSetup(plan), {
    onEdit: (_, count) => progress.edit(count),
    onLog: (message, details) => log?.(message, details)
  })
  let log: ((message: string, details?: Readonly<Record<string, unknown>>) => void) | undefined
  const progress = new ProgressCount(plan, options.onProgress)
  let folder: RunFolder | undefined
  const work = async (): Promise<FinishedRun> => {
    options.onProgress({ phase: 'preparing', done: 0, total: progress.total })
    const opened = await openModels(plan, pool)
    const run = openFolder(plan, opened, options)
    folder = run
    if (run.manifest.status === 'complete')
      return { dir: run.dir, manifest: run.manifest, ...run.count(), resumedShards: plan.shards.length }
    log = (message, details) => run.log(message, details)
    log(run.resumed ? 'resumed' : 'started', { shards: plan.shards.length, workers: plan.workers })
    await prepareMethods(plan, pool, run)
    const missing = plan.shards.filter((shard) => !run.has(shard))
    const resumedShards = plan.shards.length - missing.length
    progress.skip(plan.shards.filter((shard) => run.has(shard)))
    await Promise.all(missing.map((shard) => runShard(plan, shard, pool, run)))
    await checkWeights(pool, opened)
    run.merge(plan.shards)
    const manifest = run.finish((performance.now() - started) / 1000)
    return { dir: run.dir, manifest, ...run.count(), resumedShards }
  }
  // A killed worker never answers, so stopping is a race.
  const stopped = new Promise<never>((_, reject) => {
    options.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true })
  })
  try {
    return await Promise.race([work(), stopped])
  } catch (error) {
    const stored = folder === undefined ? 0 : plan.shards.filter((shard) => folder!.has(shard)).length
    // A run that came to nothing leaves nothing.
    if (stored === 0 && folder?.manifest.status === 'running') folder.remove()
    if (!options.signal.aborted) throw error
    if (stored > 0) folder?.pause((performance.now() - started) / 1000)
    throw new RunInterrupted(folder?.dir ?? options.resultsDir, stored, plan.shards.length)
  } finally {
    pool.close()
  }
}

function workerSetup({ config, threads }: Plan): WorkerSetup {
  const embedded = config.models.every((name) => embeddedModels().includes(name))
  const corpus = config.corpus !== undefined ? { file: config.corpus } : embedded ? ('world' as const) : undefined
  return {
    backend: config.backend,
    threads,
    seed: config.seed,
    cacheDir: cacheDir(),
    localityTokens: config.scoring.locality_tokens,
    ...(corpus === undefined ? {} : { corpus })
  }
}

async function openModels(plan: Plan, pool: WorkerPool): Promise<Map<string, OpenedModel>> {
  const opened = new Map<string, OpenedModel>()
  for (const model of plan.config.models) opened.set(model, await pool.run({ type: 'open', model }))
  return opened
}

/** The work all edits of a method share, once for a method, a model and its hyper-parameters. */
async function prepareMethods(plan: Plan, pool: WorkerPool, folder: RunFolder): Promise<void> {
  const done = new Map<string, Setup>()
  for (const { id, model, method } of plan.settings) {
    if (folder.manifest.setup[id] !== undefined) continue
    const key = JSON.stringify([model, method.name, method.hyperparameters])
    const setup = done.get(key) ?? (await pool.run({ type: 'prepare', model, method }))
    done.set(key, setup)
    folder.setup(id, setup)
  }
}

async function runShard(plan: Plan, shard: PlannedShard, pool: WorkerPool, folder: RunFolder): Promise<void> {
  const { store_edits: store } = plan.config
  const stored = store === 'all' ? shard.dataset.cases : shard.dataset.cases.slice(0, store)
  const { failed } = await pool.run({
    type: 'shard',
    model: shard.model,
    methods: shard.settings.map((s) => s.method),
    cases: shard.cases,
    dir: folder.shardDir(shard),
    editsDir: join(folder.dir, 'edits'),
    storeEditsOf: stored.map((c) => c.id)
  })
  folder.log('shard', { index: shard.index, cases: shard.cases.length, failed })
}

/** Edits are values: the base weights must be the same bytes after the run. */
export async function checkWeights(
  pool: Pick<WorkerPool, 'run'>,
  opened: ReadonlyMap<string, OpenedModel>
): Promise<void> {
  for (const [model, { weightsHash }] of opened) {
    const after = await pool.run({ type: 'weights-hash', model })
    if (after.weightsHash !== weightsHash) throw new Error(`the weights of ${model} changed during the run`)
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

  skip(shards: readonly PlannedShard[]): void {
    this.#done += shards.reduce((sum, s) => sum + s.cases.length * s.settings.length, 0)
  }
}

/**
 * The folder of the run: named by the config and the hash of all that decides the answers. Resuming finds it again, finished or
 * not; a fresh start beside an older run of the same name gets a number, so that nothing is lost.
 */
function openFolder(plan: Plan, opened: ReadonlyMap<string, OpenedModel>, options: RunOptions): RunFolder {
  const models = [...opened].map(([name, { hash, backend }]) => [name, hash, backend])
  const hash = createHash('sha256')
    .update(JSON.stringify([plan.hash, packageVersion(), models]))
    .digest('hex')
  if (options.resume) {
    const same = listRuns(options.resultsDir).filter((r) => r.manifest.hash === hash)
    const found = same.find((r) => r.manifest.status === 'running') ?? same[0]
    if (found !== undefined) return new RunFolder(found.dir, found.manifest, true)
    options.onLog(`no run of this config and data in ${options.resultsDir}; starting a new one`)
  }
  const first = `${plan.config.name}-${hash.slice(0, 12)}`
  let id = first
  for (let n = 2; existsSync(join(options.resultsDir, id)); n++) id = `${first}-${n}`
  const startedAt = new Date().toISOString()
  const dir = join(options.resultsDir, id)
  mkdirSync(join(dir, 'shards'), { recursive: true })
  const backends = [...new Set([...opened.values()].map((m) => m.backend))]
  const manifest: Manifest = {
    format: 'bench-run-2',
    id,
    name: plan.config.name,
    hash,
    status: 'running',
    startedAt,
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
  }
  return new RunFolder(dir, manifest, false)
}

function describeSetting(
  { id, label, modelName, dataset, method }: PlannedSetting,
  opened: OpenedModel,
  { scoring }: Plan['config']
): Setting {
  const { title, family, source, supportsBatch } = findMethod(method.name)
  const skipped = (kind: string) => dataset.skipped.filter((s) => s.kind === kind).length
  return {
    id,
    label,
    method: { name: method.name, title, family, source, supportsBatch, hyperparameters: method.hyperparameters },
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

/** The folder of a run: manifest, log, shards while it runs, and in the end the merged rows. */
class RunFolder {
  readonly dir: string
  readonly resumed: boolean
  #manifest: Manifest

  constructor(dir: string, manifest: Manifest, resumed: boolean) {
    this.dir = dir
    this.resumed = resumed
    this.#manifest = manifest
    // What a kill left unfinished.
    for (const name of readdirSync(dir, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.new')) rmSync(join(dir, name), { recursive: true, force: true })
    writeManifest(dir, manifest)
  }

  get manifest(): Manifest {
    return this.#manifest
  }

  log(message: string, details: Readonly<Record<string, unknown>> = {}): void {
    const line = JSON.stringify({ time: new Date().toISOString(), message, ...details })
    appendFileSync(join(this.dir, 'log.jsonl'), `${line}\n`)
  }

  setup(setting: string, setup: Setup): void {
    this.#update({ setup: { ...this.#manifest.setup, [setting]: setup } })
  }

  shardDir({ index }: PlannedShard): string {
    return join(this.dir, 'shards', String(index).padStart(5, '0'))
  }

  has(shard: PlannedShard): boolean {
    return existsSync(this.shardDir(shard))
  }

  merge(shards: readonly PlannedShard[]): void {
    const rows = shards.map((shard) => ({
      answers: answersTable.read(join(this.shardDir(shard), 'answers.arrow')),
      edits: editsTable.read(join(this.shardDir(shard), 'edits.arrow'))
    }))
    answersTable.write(
      join(this.dir, 'answers.arrow'),
      rows.map((r) => r.answers)
    )
    editsTable.write(
      join(this.dir, 'edits.arrow'),
      rows.map((r) => r.edits)
    )
  }

  /** Edits of a complete run. */
  count(): { edits: number; failed: number } {
    const edits = editsTable.read(join(this.dir, 'edits.arrow'))
    return { edits: edits.length, failed: edits.filter((e) => e.error !== null).length }
  }

  pause(seconds: number): void {
    this.#update({ seconds: this.#manifest.seconds + seconds })
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true })
  }

  finish(seconds: number): Manifest {
    this.#update({ seconds: this.#manifest.seconds + seconds, status: 'complete' })
    this.log('complete', { seconds })
    rmSync(join(this.dir, 'shards'), { recursive: true, force: true })
    return this.#manifest
  }

  #update(changes: Partial<Manifest>): void {
    this.#manifest = { ...this.#manifest, ...changes }
    writeManifest(this.dir, this.#manifest)
  }
}

/** @throws UserError when a folder cannot hold runs */
export function checkResultsDir(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true })
  } catch (error) {
    throw new UserError(`cannot make the results folder: ${(error as Error).message}`, {
      place: dir,
      hint: 'choose another one with --out DIR'
    })
  }
}
