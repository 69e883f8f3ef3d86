import { resolve } from 'node:path'
import type { Argv } from 'yargs'
import { findDataset } from '../../datasets'
import { findMethod } from '../../methods'
import type { LoadedConfig } from '../config/load'
import { datasetNamed, MOST_CASES, MOST_WORKERS } from '../config/schema'
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
  return {
    placeOf,
    dir,
    config: {
      ...config,
      ...(flags.model === undefined ? {} : { models: flags.model }),
      ...(methods === undefined ? {} : { methods }),
      datasets: flags.source === undefined ? datasets : datasets.map((d) => ({ ...d, source: flags.source })),
      ...(flags.backend === undefined ? {} : { backend: flags.backend }),
      ...positive('limit', 1),
      ...positive('seed', 0),
      ...positive('workers', 1)
    }
  }
}

/** One of ours, or a file from outside, which flags name from where the user stands. */
const known = (name: string, find: (name: string) => { readonly name: string }): string =>
  /[\\/]/.test(name) ? resolve(name) : find(name).name
