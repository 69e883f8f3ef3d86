import { resolve } from 'node:path'
import type { Argv } from 'yargs'
import { findDataset } from '../../datasets'
import { findMethod } from '../../methods'
import { closestTo } from '../closest'
import type { LoadedConfig } from '../config/load'
import { datasetNamed, MOST_CASES, MOST_WORKERS, type ProtocolEntry } from '../config/schema'
import { UserError } from '../errors'
import { BACKENDS } from '../tensor/backend'

/** Flags that change a config for one run. */
export function withOverrides<T>(yargs: Argv<T>) {
  return yargs
    .option('model', { type: 'string', array: true, requiresArg: true, describe: 'Use these models instead' })
    .option('method', { type: 'string', array: true, requiresArg: true, describe: 'Run only these methods' })
    .option('dataset', { type: 'string', array: true, requiresArg: true, describe: 'Run only these datasets' })
    .option('source', {
      type: 'string',
      requiresArg: true,
      describe: 'File of the one dataset, in its official format'
    })
    .option('protocol', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'Run only these protocols: single, batch-100, sequential-1000'
    })
    .option('limit', { type: 'number', requiresArg: true, describe: 'Most cases of every dataset' })
    .option('seed', { type: 'number', requiresArg: true, describe: 'Seed of everything random' })
    .option('workers', { type: 'number', requiresArg: true, describe: 'Worker processes' })
    .option('backend', {
      choices: ['auto', ...BACKENDS] as const,
      requiresArg: true,
      describe: 'What executes the tensor kernels'
    })
}

export interface Overrides {
  readonly model?: string[] | undefined
  readonly method?: string[] | undefined
  readonly dataset?: string[] | undefined
  readonly protocol?: string[] | undefined
  readonly source?: string | undefined
  readonly limit?: number | undefined
  readonly seed?: number | undefined
  readonly workers?: number | undefined
  readonly backend?: LoadedConfig['config']['backend'] | undefined
}

export function applyOverrides({ config, placeOf, dir }: LoadedConfig, flags: Overrides): LoadedConfig {
  const positive = (name: 'limit' | 'workers' | 'seed', least: number) => {
    const value = flags[name]
    if (value === undefined) return {}
    const most = { limit: MOST_CASES, workers: MOST_WORKERS, seed: Number.MAX_SAFE_INTEGER }[name]
    if (Number.isInteger(value) && value >= least && value <= most) return { [name]: value }
    throw new UserError(`must be a whole number from ${least} to ${most}, found ${value}`, { place: `--${name}` })
  }
  const methods = flags.method?.flatMap((name) => {
    const chosen = config.methods.filter((m) => m.label === name || m.name === name)
    return chosen.length > 0 ? chosen : [{ name: known(name, (n) => findMethod(n, '--method')), hyperparameters: {} }]
  })
  const chosen = flags.dataset?.flatMap((name) => {
    const named = config.datasets.filter((d) => d.label === name || d.name === name)
    return named.length > 0 ? named : [datasetNamed(known(name, (n) => findDataset(n, '--dataset')))]
  })
  const datasets = chosen ?? config.datasets
  if (flags.source !== undefined && datasets.length !== 1) {
    throw new UserError(`is the file of one dataset, this run has ${datasets.length}`, {
      place: '--source',
      hint: 'say which one it is of: --dataset NAME'
    })
  }
  const protocols = flags.protocol === undefined ? config.protocols : protocolsNamed(config.protocols, flags.protocol)
  const chosenOnes = {
    models: flags.model ?? config.models,
    methods: methods ?? config.methods,
    datasets,
    protocols
  }
  return {
    placeOf: placeOfChosen({ config, placeOf }, chosenOnes),
    dir,
    config: {
      ...config,
      ...chosenOnes,
      datasets: flags.source === undefined ? datasets : datasets.map((d) => ({ ...d, source: flags.source })),
      ...(flags.backend === undefined ? {} : { backend: flags.backend }),
      ...positive('limit', 1),
      ...positive('seed', 0),
      ...positive('workers', 1)
    }
  }
}

type Listed = Pick<LoadedConfig['config'], 'models' | 'methods' | 'datasets' | 'protocols'>
const FLAGS = { models: '--model', methods: '--method', datasets: '--dataset', protocols: '--protocol' } as const

/** Where in the file something stands of which flags have left out others: what they have added is theirs. */
function placeOfChosen({ config, placeOf }: Pick<LoadedConfig, 'config' | 'placeOf'>, chosen: Listed) {
  const isList = (key: unknown): key is keyof Listed => typeof key === 'string' && Object.hasOwn(FLAGS, key)
  return (path: readonly PropertyKey[]): string => {
    const [key, index, ...rest] = path
    if (!isList(key) || typeof index !== 'number') return placeOf(path)
    const all: readonly unknown[] = config[key]
    const at = all.indexOf(chosen[key][index])
    return at < 0 ? FLAGS[key] : placeOf([key, at, ...rest])
  }
}

/** The protocols of these names, in the config's order. @throws UserError for a name that none has */
function protocolsNamed(protocols: readonly ProtocolEntry[], names: readonly string[]): ProtocolEntry[] {
  const nameOf = (entry: ProtocolEntry): string => {
    if (entry === 'single') return entry
    if (!('sequential' in entry)) return `batch-${entry.batch}`
    return `sequential-${entry.sequential}${entry.batch > 1 ? `-by-${entry.batch}` : ''}`
  }
  const own = protocols.map(nameOf)
  const unknown = names.find((name) => !own.includes(name))
  if (unknown !== undefined)
    throw new UserError(`the config has no protocol '${unknown}'${closestTo(unknown, own)}`, {
      place: '--protocol',
      hint: `it has ${[...new Set(own)].join(', ')}`
    })
  return protocols.filter((_, i) => names.includes(own[i]!))
}

/** One of ours, or a file from outside, which flags name from where the user stands. */
const known = (name: string, find: (name: string) => { readonly name: string }): string =>
  /[\\/]/.test(name) ? resolve(name) : find(name).name
