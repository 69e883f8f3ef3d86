import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { findDataset } from '../../datasets'
import type { EditCase } from '../../datasets/types'
import { findMethod } from '../../methods'
import { type LoadedConfig, problem } from '../config/load'
import type { Config, DatasetEntry, MethodEntry } from '../config/schema'
import { UserError } from '../errors'
import { readModelConfig, resolveModel } from '../model'
import type { ModelConfig } from '../model/types'
import type { MethodTask } from './tasks'

export interface PlannedDataset {
  readonly entry: DatasetEntry
  readonly label: string
  readonly title: string
  readonly hash: string
  readonly cases: readonly EditCase[]
  readonly skipped: readonly { readonly place: string; readonly reason: string }[]
}

export interface PlannedSetting {
  readonly id: string
  readonly label: string
  readonly model: string
  readonly dataset: PlannedDataset
  readonly method: MethodTask
}

/** Cases that are computed and stored together, by all methods. */
export interface PlannedShard {
  readonly index: number
  readonly model: string
  readonly dataset: PlannedDataset
  readonly cases: readonly EditCase[]
  readonly settings: readonly PlannedSetting[]
}

/** Everything a run will do, decided before anything is computed. */
export interface Plan {
  readonly config: LoadedConfig['config']
  readonly datasets: readonly PlannedDataset[]
  readonly settings: readonly PlannedSetting[]
  readonly shards: readonly PlannedShard[]
  readonly models: Readonly<Record<string, ModelConfig>>
  readonly workers: number
  readonly threads: number
  /** SHA-256 over what decides the answers, but for the models' weights. */
  readonly hash: string
}

/** @throws UserError for anything the config names that is not there or not valid. */
export async function planRun({ config, placeOf }: LoadedConfig): Promise<Plan> {
  for (const [i, { name }] of config.methods.entries()) findMethod(name, placeOf(['methods', i, 'name']))
  const models = Object.fromEntries(config.models.map((name) => [name, readModelConfig(resolveModel(name)).config]))
  const datasets: PlannedDataset[] = []
  for (const [i, entry] of config.datasets.entries())
    datasets.push(await planDataset(config, entry, placeOf(['datasets', i, 'name'])))
  const settings = config.models.flatMap((model) =>
    datasets.flatMap((dataset) =>
      config.methods.map((entry, i) => planSetting(models[model]!, model, dataset, entry, i, placeOf))
    )
  )
  const twice = settings.find((s, i) => settings.findIndex((t) => t.id === s.id) < i)
  if (twice !== undefined) {
    throw new UserError(`two entries come to the same setting '${twice.id}'`, {
      place: placeOf(['methods']),
      hint: "give the methods, or the datasets, different names by 'label: ...'"
    })
  }
  const shards = planShards(config, settings)
  const workers = workersFor(config, Object.values(models), shards.length)
  return {
    config,
    datasets,
    settings,
    shards,
    models,
    workers,
    threads: Math.max(1, Math.floor(availableParallelism() / workers)),
    hash: hashOf(config, settings)
  }
}

async function planDataset(config: Config, entry: DatasetEntry, place: string): Promise<PlannedDataset> {
  const dataset = findDataset(entry.name, place)
  const skipped: { place: string; reason: string }[] = []
  const limit = Math.min(entry.limit ?? Number.POSITIVE_INFINITY, config.limit ?? Number.POSITIVE_INFINITY)
  const options = {
    onBadRecord: entry.on_bad_record,
    onSkip: ({ file, record, line, reason }: { file: string; record: number; line?: number; reason: string }) => {
      skipped.push({ place: `${file}${line === undefined ? '' : `:${line}`} (record ${record})`, reason })
    },
    split: entry.split,
    seed: config.seed,
    options: entry.options,
    ...(Number.isFinite(limit) ? { limit } : {})
  }
  const cases: EditCase[] = []
  const ids = new Map<string, number>()
  for await (const editCase of dataset.load(entry.source, options)) {
    // Files put together by hand repeat their numbers; rows are told apart by them.
    const times = (ids.get(editCase.id) ?? 0) + 1
    ids.set(editCase.id, times)
    cases.push(times === 1 ? editCase : { ...editCase, id: `${editCase.id}.${times}` })
  }
  if (cases.length === 0) {
    throw new UserError(`the dataset has no usable case (${skipped.length} skipped)`, {
      place: entry.source ?? entry.name,
      ...(skipped[0] === undefined ? {} : { hint: `${skipped[0].place}: ${skipped[0].reason}` })
    })
  }
  const hash = createHash('sha256').update(JSON.stringify(cases)).digest('hex')
  return { entry, label: entry.label ?? entry.name, title: dataset.title, hash, cases, skipped }
}

function planSetting(
  modelConfig: ModelConfig,
  model: string,
  dataset: PlannedDataset,
  entry: MethodEntry,
  index: number,
  placeOf: LoadedConfig['placeOf']
): PlannedSetting {
  const method = findMethod(entry.name)
  const merged = { ...method.defaults?.(modelConfig), ...entry.hyperparameters }
  const parsed = method.hyperparameters.safeParse(merged)
  if (!parsed.success) {
    throw problem(parsed.error.issues[0]!, placeOf, method.hyperparameters, ['methods', index, 'hyperparameters'])
  }
  const label = entry.label ?? entry.name
  const id = [label, model, dataset.label].map(fileName).join('--')
  const hyperparameters = parsed.data as Record<string, unknown>
  return { id, label, model, dataset, method: { setting: id, name: entry.name, hyperparameters } }
}

/** Fit for a file name; folders keep their last part. */
const fileName = (text: string): string => (text.split('/').pop() ?? text).replace(/[^\w.-]+/g, '_')

function planShards(config: Config, settings: readonly PlannedSetting[]): PlannedShard[] {
  const shards: PlannedShard[] = []
  for (const model of config.models) {
    for (const dataset of new Set(settings.map((s) => s.dataset))) {
      const together = settings.filter((s) => s.model === model && s.dataset === dataset)
      for (let start = 0; start < dataset.cases.length; start += config.shard_size) {
        const cases = dataset.cases.slice(start, start + config.shard_size)
        shards.push({ index: shards.length, model, dataset, cases, settings: together })
      }
    }
  }
  return shards
}

/** Small models leave cores idle when one process spreads its kernels over all of them. */
const SMALL_MODEL = 200e6

function workersFor(config: Config, models: readonly ModelConfig[], shards: number): number {
  if (config.workers !== 'auto') return Math.min(config.workers, shards)
  const largest = Math.max(
    ...models.map((m) => m.layers * (4 * m.dim ** 2 + 2 * m.dim * m.ffDim) + 2 * m.vocab * m.dim)
  )
  return largest < SMALL_MODEL ? Math.min(availableParallelism(), shards) : 1
}

function hashOf(config: Config, settings: readonly PlannedSetting[]): string {
  const { seed, shard_size, scoring, corpus } = config
  const what = settings.map((s) => [s.id, s.method.name, s.method.hyperparameters, s.model, s.dataset.hash])
  return createHash('sha256')
    .update(JSON.stringify([seed, shard_size, scoring.locality_tokens, corpus, what]))
    .digest('hex')
}
