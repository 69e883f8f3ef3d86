import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { findDataset, loadCases } from '../../datasets'
import type { EditCase, SkippedRecord } from '../../datasets/types'
import { findMethod } from '../../methods'
import { type LoadedConfig, problem } from '../config/load'
import { publishedValues } from '../config/published'
import type { Config, DatasetEntry, MethodEntry } from '../config/schema'
import { UserError } from '../errors'
import { fileName } from '../file-name'
import { embeddedModels, readModelConfig, resolveModel } from '../model'
import type { ModelConfig } from '../model/types'
import { describeCorpus } from './corpus'
import { fileNames, shortNames } from './names'
import type { CorpusSource, MethodTask } from './tasks'

export interface PlannedDataset {
  readonly entry: DatasetEntry
  readonly label: string
  readonly title: string
  readonly hash: string
  readonly cases: readonly EditCase[]
  /** Name of its file, or 'the embedded world'. */
  readonly source: string
  /** What was asked for that differs from the defaults. */
  readonly options: Readonly<Record<string, unknown>>
  readonly skipped: readonly SkippedRecord[]
}

export interface PlannedSetting {
  readonly id: string
  readonly label: string
  /** As in the config; `modelName` is what results call it. */
  readonly model: string
  readonly modelName: string
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
  /** Text for second moments; missing where neither the config nor the models bring one. */
  readonly corpus?: CorpusSource
  readonly workers: number
  readonly threads: number
  /** SHA-256 over what decides the answers, but for the models' weights. */
  readonly hash: string
}

export interface PlanOptions {
  /** Called now and then while data files are read: which one, bytes so far, and in all. */
  readonly onReading?: (dataset: string, bytes: number, total: number) => void
}

/** @throws UserError for anything the config names that is not there or not valid. */
export async function planRun({ config, placeOf }: LoadedConfig, { onReading }: PlanOptions = {}): Promise<Plan> {
  for (const [i, { name }] of config.methods.entries()) findMethod(name, placeOf(['methods', i, 'name']))
  const models = Object.fromEntries(config.models.map((name) => [name, readModelConfig(resolveModel(name)).config]))
  const datasets: PlannedDataset[] = []
  for (const [i, entry] of config.datasets.entries())
    datasets.push(await planDataset(config, entry, placeOf(['datasets', i, 'name']), onReading))
  const names = shortNames(config.models, (name) => !embeddedModels().includes(name) && existsSync(name))
  const files = fileNames([...names.values()])
  const settings = config.models.flatMap((model) =>
    datasets.flatMap((dataset) =>
      config.methods.map((entry, i) => {
        const modelName = names.get(model)!
        const method = planMethod(models[model]!, entry, i, placeOf)
        const label = entry.label ?? entry.name
        const id = [fileName(label), files.get(modelName)!, fileName(dataset.label)].join('--')
        return { id, label, model, modelName, dataset, method: { ...method, setting: id } }
      })
    )
  )
  const twice = settings.find((s, i) => settings.findIndex((t) => t.id === s.id) < i)
  if (twice !== undefined) {
    throw new UserError(`two entries come to the same setting '${twice.id}'`, {
      place: placeOf(['methods']),
      hint: "give the methods, or the datasets, different names by 'label: ...'"
    })
  }
  const embedded = config.models.every((name) => embeddedModels().includes(name))
  const source = config.corpus !== undefined ? { file: config.corpus } : embedded ? ('world' as const) : undefined
  const corpus = source && describeCorpus(source)
  const shards = planShards(config, settings)
  const workers = workersFor(config, Object.values(models), shards.length)
  return {
    config,
    datasets,
    settings,
    shards,
    models,
    ...(corpus === undefined ? {} : { corpus }),
    workers,
    threads: Math.max(1, Math.floor(availableParallelism() / workers)),
    hash: hashOf(config, settings, corpus)
  }
}

async function planDataset(
  config: Config,
  entry: DatasetEntry,
  place: string,
  onReading: PlanOptions['onReading']
): Promise<PlannedDataset> {
  const dataset = findDataset(entry.name, place)
  const label = entry.label ?? entry.name
  const skipped: SkippedRecord[] = []
  const limit = Math.min(entry.limit ?? Number.POSITIVE_INFINITY, config.limit ?? Number.POSITIVE_INFINITY)
  const options = {
    onBadRecord: entry.on_bad_record,
    onSkip: (record: SkippedRecord) => void skipped.push(record),
    onProgress: (bytes: number, total: number) => onReading?.(label, bytes, total),
    split: entry.split,
    seed: config.seed,
    options: entry.options,
    ...(Number.isFinite(limit) ? { limit } : {})
  }
  const cases: EditCase[] = []
  const ids = new Map<string, number>()
  for await (const editCase of loadCases(dataset, entry.source, options)) {
    // Files put together by hand repeat their numbers; rows are told apart by them.
    const times = (ids.get(editCase.id) ?? 0) + 1
    ids.set(editCase.id, times)
    cases.push(times === 1 ? editCase : { ...editCase, id: `${editCase.id}.${times}` })
  }
  if (cases.length === 0) {
    throw new UserError(`the dataset has no usable case (${skipped.length} skipped)`, {
      place: entry.source ?? entry.name,
      ...(skipped[0] === undefined ? {} : { hint: `${placeOfSkipped(skipped[0])}: ${skipped[0].reason}` })
    })
  }
  const hash = createHash('sha256')
  for (const c of cases) hash.update(JSON.stringify(c))
  return {
    entry,
    label,
    title: dataset.title,
    hash: hash.digest('hex'),
    cases,
    source: entry.source === undefined ? 'the embedded world' : basename(entry.source),
    options: { ...entry.options, ...(entry.source === undefined ? { split: entry.split } : {}) },
    skipped
  }
}

/** `data.json:12 (record 3)`, by the file's name alone. */
export const placeOfSkipped = ({ file, line, record }: SkippedRecord): string =>
  `${basename(file)}:${line} (record ${record})`

function planMethod(
  modelConfig: ModelConfig,
  entry: MethodEntry,
  index: number,
  placeOf: LoadedConfig['placeOf']
): Omit<MethodTask, 'setting'> {
  const method = findMethod(entry.name)
  const known = publishedValues(entry.name, modelConfig)?.hyperparameters ?? method.defaults?.(modelConfig)
  const merged = { ...known, ...entry.hyperparameters }
  const parsed = method.hyperparameters.safeParse(merged)
  const path = ['methods', index, 'hyperparameters']
  if (!parsed.success) throw problem(parsed.error.issues[0]!, placeOf, method.hyperparameters, path)
  try {
    method.check?.(modelConfig, parsed.data)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    const key = error.place ?? ''
    throw new UserError(`${key}: ${error.message}`, {
      place: placeOf([...path, key]),
      ...(error.hint === undefined ? {} : { hint: error.hint })
    })
  }
  return { name: entry.name, hyperparameters: parsed.data as Record<string, unknown> }
}

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

function hashOf(config: Config, settings: readonly PlannedSetting[], corpus: CorpusSource | undefined): string {
  const { seed, shard_size, scoring } = config
  const what = settings.map((s) => [s.id, s.method.name, s.method.hyperparameters, s.model, s.dataset.hash])
  return createHash('sha256')
    .update(JSON.stringify([seed, shard_size, scoring.locality_tokens, corpus?.id, what]))
    .digest('hex')
}
