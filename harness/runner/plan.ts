import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename } from 'node:path'
import { DATASETS, findDataset, loadCases } from '../../datasets'
import { abilityCases } from '../../datasets/ability'
import { loadDataset } from '../../datasets/load'
import type { EditCase, SkippedRecord } from '../../datasets/types'
import { findMethod, METHODS } from '../../methods'
import { loadMethod } from '../../methods/load'
import { type EditingMethod, mustLearn } from '../../methods/types'
import { type LoadedConfig, problem } from '../config/load'
import { publishedValues } from '../config/published'
import { type Config, type DatasetEntry, datasetNamed, type MethodEntry, type ProtocolEntry } from '../config/schema'
import { UserError } from '../errors'
import { fileName } from '../file-name'
import { embeddedModels, type ModelConfig, readModelConfig, resolveModel } from '../model'
import { findOutside, type OutsideModule } from '../outside'
import { type Protocol, protocolName } from '../results/protocol'
import {
  bitsPerByte,
  choiceAccuracy,
  choiceAccuracyByCharacter,
  findMeasure,
  fluency,
  freeAnswer,
  generalDivergence,
  judgedAnswer
} from '../scoring/measures'
import { describeCorpus } from './corpus'
import { caseStream, hashOfCases } from './data'
import { cacheDir } from './machine'
import { fileNames, shortNames } from './names'
import { casesFor, checkHolds, protocolsOf } from './protocol'
import { hasShardsOfItsOwn, isSmall, type PlannedShard, planShards, soughtApart } from './shards'
import type { CorpusSource, MethodTask, TrainingData } from './tasks'

export interface PlannedDataset {
  readonly entry: DatasetEntry & { readonly module?: OutsideModule }
  readonly label: string
  readonly title: string
  readonly hash: string
  readonly cases: readonly EditCase[]
  /** Reported besides exact match and token match. */
  readonly measures: readonly string[]
  /** Name of its file, or 'the embedded world'. */
  readonly source: string
  /** What was asked for that differs from the defaults. */
  readonly options: Readonly<Record<string, unknown>>
  readonly skipped: readonly SkippedRecord[]
}

export interface PlannedSetting {
  readonly editing: EditingMethod
  /** Source of the values that the config does not say, where a file in configs/methods knows the model. */
  readonly valuesFrom?: string
  readonly id: string
  readonly label: string
  /** As in the config; `modelName` is what results call it. */
  readonly model: string
  readonly modelName: string
  readonly dataset: PlannedDataset
  readonly method: MethodTask
  readonly protocol: Protocol
  /** Of the dataset, those that the protocol takes, in its order. */
  readonly cases: readonly EditCase[]
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
  /** What is asked at every checkpoint besides the cases so far. */
  readonly ability: readonly EditCase[]
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
export async function planRun({ config, placeOf, dir }: LoadedConfig, { onReading }: PlanOptions = {}): Promise<Plan> {
  const methods: Named<EditingMethod>[] = []
  for (const [i, { name }] of config.methods.entries())
    methods.push(await findNamed(name, dir, placeOf(['methods', i, 'name']), METHODS, findMethod, loadMethod))
  const models = Object.fromEntries(config.models.map((name) => [name, readModelConfig(resolveModel(name)).config]))
  const datasets: PlannedDataset[] = []
  for (const [i, entry] of config.datasets.entries())
    datasets.push(await planDataset(config, entry, dir, placeOf(['datasets', i, 'name']), onReading))
  const names = shortNames(config.models, (name) => !embeddedModels().includes(name) && existsSync(name))
  const files = fileNames([...names.values()])
  const trainOn = methods.some(({ value }, i) => mustLearn(value, config.methods[i]!.hyperparameters))
    ? await planTraining(config, datasets, dir)
    : undefined
  const settings: PlannedSetting[] = []
  for (const model of config.models)
    for (const dataset of datasets)
      for (const [p, entry] of config.protocols.entries())
        for (const [i, methodEntry] of config.methods.entries()) {
          const { value: editing, module } = methods[i]!
          for (const protocol of planProtocol(entry, dataset, editing.holdsMany, placeOf(['protocols', p]))) {
            const modelName = names.get(model)!
            const label = methodEntry.label ?? editing.name
            const parts = [fileName(label), files.get(modelName)!, fileName(dataset.label)]
            const id = [...parts, ...(protocolName(protocol) === 'single' ? [] : [protocolName(protocol)])].join('--')
            const cases = casesFor(protocol, dataset.cases)
            const place = placeOf(['protocols', p])
            atPlace(place, () => checkHolds(editing, protocol, cases))
            const { valuesFrom, ...planned } = planMethod(models[model]!, editing, methodEntry, i, placeOf, trainOn)
            const method = { ...planned, setting: id, ...(module === undefined ? {} : { module }) }
            const values = valuesFrom === undefined ? {} : { valuesFrom }
            settings.push({ id, editing, ...values, label, model, modelName, dataset, method, protocol, cases })
          }
        }
  const twice = settings.find((s, i) => settings.findIndex((t) => t.id === s.id) < i)
  if (twice !== undefined) {
    throw new UserError(`two entries come to the same setting '${twice.id}'`, {
      place: placeOf(['methods']),
      hint: "give the methods, or the datasets, different names by 'label: ...', and name every protocol once"
    })
  }
  const embedded = config.models.every((name) => embeddedModels().includes(name))
  const source = config.corpus !== undefined ? { file: config.corpus } : embedded ? ('world' as const) : undefined
  const corpus = source && (await describeCorpus(source, cacheDir()))
  const ability = planAbility(config, settings, placeOf)
  const shards = planShards(config, settings, models)
  const lines = shards.filter((s) => s.protocol.kind === 'batch' || s.previous === undefined).length
  const searches = Math.max(0, ...settings.map((s) => soughtApart(config, s).length))
  const workers = workersFor(config, Object.values(models), Math.max(lines, searches))
  return {
    config,
    datasets,
    settings,
    shards,
    models,
    ...(corpus === undefined ? {} : { corpus }),
    ability,
    workers,
    threads: Math.max(1, Math.floor(availableParallelism() / workers)),
    hash: hashOf(config, settings, corpus, ability)
  }
}

/** @throws UserError when it would never be asked, or is not there */
function planAbility(
  { general_ability: sources }: Config,
  settings: readonly PlannedSetting[],
  placeOf: LoadedConfig['placeOf']
): EditCase[] {
  if (sources === undefined) return []
  const place = placeOf(['general_ability'])
  if (!settings.some((s) => s.protocol.kind === 'sequential'))
    throw new UserError('general ability is asked at the checkpoints of a sequence, and there is none', {
      place,
      hint: "'protocols: [{ sequential: 100 }]' edits one on top of the other"
    })
  const cases = abilityCases(sources)
  if (cases.length > 0) return cases
  throw new UserError('general ability asks nothing', {
    place,
    hint: "say 'texts', 'choices' or both: a file, or 'world'"
  })
}

/** Says of an error where in the config its cause is. */
function atPlace<T>(place: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (!(error instanceof UserError) || error.place !== undefined) throw error
    throw new UserError(error.message, { place, ...(error.hint === undefined ? {} : { hint: error.hint }) })
  }
}

const planProtocol = (entry: ProtocolEntry, { cases }: PlannedDataset, holdsMany: boolean, place: string): Protocol[] =>
  atPlace(place, () => protocolsOf(entry, cases.length, holdsMany))

/** Something that a config names: ours, or from outside. */
interface Named<T> {
  readonly value: T
  readonly module?: OutsideModule
}

/** What a name of a config stands for. @throws UserError with the config's place, and the closest name of ours */
async function findNamed<T extends { readonly name: string }>(
  name: string,
  dir: string,
  place: string,
  ours: readonly T[],
  find: (name: string, place: string) => T,
  load: (name: string, module: OutsideModule) => Promise<T>
): Promise<Named<T>> {
  if (ours.some((o) => o.name === name)) return { value: find(name, place) }
  const module = atPlace(place, () => findOutside(name, dir))
  if (module === undefined) return { value: find(name, place) }
  const value = await load(name, module)
  if (!ours.some((o) => o.name === value.name)) return { value, module }
  throw new UserError(`'${value.name}' is the name of one that is here already`, {
    place: module.file,
    hint: 'choose another name'
  })
}

/** What methods learn from: named by what it is, and read again by whoever trains. */
async function planTraining(
  { train_on, seed }: Config,
  datasets: readonly PlannedDataset[],
  dir: string
): Promise<TrainingData> {
  const world = datasets.map(({ entry }) => datasetNamed(entry.name, 'train'))
  const distinct = world.filter((w, i) => world.findIndex((v) => v.name === w.name) === i)
  const entries: TrainingData['entries'][number][] = []
  const hash = hashOfCases()
  for (const entry of train_on ?? distinct) {
    const named = await findNamed(entry.name, dir, entry.name, DATASETS, findDataset, loadDataset)
    entries.push({ ...entry, ...(named.module === undefined ? {} : { module: named.module }) })
    for await (const editCase of loadCases(named.value, entry.source, caseStream(entry, seed))) hash.add(editCase)
  }
  return { entries, hash: hash.digest() }
}

async function planDataset(
  config: Config,
  entry: DatasetEntry,
  dir: string,
  place: string,
  onReading: PlanOptions['onReading']
): Promise<PlannedDataset> {
  const { value: dataset, module } = await findNamed(entry.name, dir, place, DATASETS, findDataset, loadDataset)
  if (dataset.seesImages === true)
    throw new UserError(`${dataset.title} asks about images, and models that see are not supported`, {
      place,
      hint: `its files can be looked at: bench data check FILE, bench data show ${dataset.name} --source FILE`
    })
  const label = entry.label ?? dataset.name
  const skipped: SkippedRecord[] = []
  const limit = Math.min(entry.limit ?? Number.POSITIVE_INFINITY, config.limit ?? Number.POSITIVE_INFINITY)
  const options = {
    ...caseStream(entry, config.seed),
    onSkip: (record: SkippedRecord) => void skipped.push(record),
    onProgress: (bytes: number, total: number) => onReading?.(label, bytes, total),
    ...(Number.isFinite(limit) ? { limit } : {})
  }
  const cases: EditCase[] = []
  const ids = new Map<string, number>()
  const hash = hashOfCases()
  for await (const editCase of loadCases(dataset, entry.source, options)) {
    // Files put together by hand repeat their numbers; rows are told apart by them.
    const times = (ids.get(editCase.id) ?? 0) + 1
    ids.set(editCase.id, times)
    const own = times === 1 ? editCase : { ...editCase, id: `${editCase.id}.${times}` }
    cases.push(config.scoring.generation ? withWriting(own) : own)
    hash.add(cases.at(-1)!)
  }
  if (cases.length === 0) {
    throw new UserError(`the dataset has no usable case (${skipped.length} skipped)`, {
      place: entry.source ?? entry.name,
      ...(skipped[0] === undefined ? {} : { hint: `${placeOfSkipped(skipped[0])}: ${skipped[0].reason}` })
    })
  }
  for (const measure of dataset.measures) findMeasure(measure)
  return {
    entry: { ...entry, ...(module === undefined ? {} : { module }) },
    label,
    title: dataset.title,
    hash: hash.digest(),
    cases,
    measures: [
      ...new Set([
        ...dataset.measures,
        ...(config.scoring.generation ? [fluency.name] : []),
        ...freeMeasures(config),
        ...abilityMeasures(config)
      ])
    ],
    source: entry.source === undefined ? 'the embedded world' : basename(entry.source),
    options: { ...entry.options, ...(entry.source === undefined ? { split: entry.split } : {}) },
    skipped
  }
}

/** A case whose model also writes on from the prompts of its edits, unless it has prompts for that (zjunlp/EasyEdit, test_generation_quality). */
function withWriting(editCase: EditCase): EditCase {
  const { requests, probes, unedited } = editCase
  if (unedited === true || probes.some((p) => p.writes !== undefined)) return editCase
  const [{ prompt, target }] = requests
  const prompts = requests.map((r) => r.prompt)
  const writes = {
    property: 'generality',
    kind: 'generation',
    prompt,
    expected: [target],
    writes: { prompts }
  } as const
  return { ...editCase, probes: [...probes, writes] }
}

const abilityMeasures = ({ general_ability: ability }: Config): string[] =>
  ability === undefined
    ? []
    : [bitsPerByte, generalDivergence, choiceAccuracy, choiceAccuracyByCharacter].map((m) => m.name)

/** Measures of free answers, where a config asks for those. */
function freeMeasures({ scoring: { free_answers: free } }: Config): string[] {
  if (free === undefined) return []
  return [freeAnswer.name, ...(free.judge === undefined ? [] : [judgedAnswer.name])]
}

/** `data.json:12 (record 3)`, by the file's name alone. */
export const placeOfSkipped = ({ file, line, record }: SkippedRecord): string =>
  `${basename(file)}:${line} (record ${record})`

function planMethod(
  modelConfig: ModelConfig,
  method: EditingMethod,
  entry: MethodEntry,
  index: number,
  placeOf: LoadedConfig['placeOf'],
  trainOn: TrainingData | undefined
): Omit<MethodTask, 'setting'> & { readonly valuesFrom?: string } {
  const published = publishedValues(method.name, modelConfig)
  const merged = { ...(published?.hyperparameters ?? method.defaults?.(modelConfig)), ...entry.hyperparameters }
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
  return {
    name: method.name,
    hyperparameters: parsed.data as Record<string, unknown>,
    ...(published === undefined ? {} : { valuesFrom: published.source }),
    ...(trainOn !== undefined && mustLearn(method, merged) ? { training: trainOn } : {})
  }
}

function workersFor(config: Config, models: readonly ModelConfig[], shards: number): number {
  if (config.workers !== 'auto') return Math.min(config.workers, shards)
  return models.every(isSmall) ? Math.min(availableParallelism(), shards) : 1
}

function hashOf(
  config: Config,
  settings: readonly PlannedSetting[],
  corpus: CorpusSource | undefined,
  ability: readonly EditCase[]
): string {
  const { seed, shard_size, scoring } = config
  const free = scoring.free_answers === undefined ? [] : [scoring.free_answers]
  const what = settings.map((setting) => {
    const { id, method, model, dataset, protocol } = setting
    const { name, module, hyperparameters, training } = method
    const own = protocol.kind === 'batch' && hasShardsOfItsOwn(config, setting) ? ['own shards, in parts'] : []
    return [
      ...[id, name, module?.hash, hyperparameters, training?.hash, model, dataset.hash, dataset.measures, protocol],
      ...own
    ]
  })
  return createHash('sha256')
    .update(JSON.stringify([seed, shard_size, scoring.locality_tokens, corpus?.id, what, ...free, ...ability]))
    .digest('hex')
}
