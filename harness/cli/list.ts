import type { Argv } from 'yargs'
import { duration, print, printJson, printNote, table } from '../terminal'
import { command } from './command'

const WHAT = ['methods', 'datasets', 'models', 'runs'] as const

const builder = (yargs: Argv) =>
  yargs
    .positional('what', { choices: WHAT, demandOption: true, describe: 'What to list' })
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('json', { type: 'boolean', default: false, describe: 'Print JSON instead of text' })

/** Rows by heading; the first row of text output. */
type Listing = readonly Readonly<Record<string, string | number | boolean>>[]

export const listCommand = command({
  command: 'list <what>',
  describe: 'List methods, datasets, models or runs',
  builder,
  async handler({ what, out, json }) {
    const rows = await listings[what](out)
    if (json) printJson(rows)
    else if (rows.length === 0) print(`no ${what}`)
    else print(table([Object.keys(rows[0]!), ...rows.map((row) => Object.values(row).map(String))]))
  }
})

const listings: Record<(typeof WHAT)[number], (out: string) => Promise<Listing>> = {
  async methods() {
    const { METHODS } = await import('../../methods')
    return METHODS.map((m) => ({
      name: m.name,
      family: m.family,
      batch: m.holdsMany ? 'yes' : 'no',
      source: m.source
    }))
  },

  async datasets() {
    const { DATASETS } = await import('../../datasets')
    return DATASETS.map((d) => ({ name: d.name, title: d.title, license: d.license, source: d.source }))
  },

  async models() {
    const { embeddedModels, KNOWN_MODELS, readModelConfig, resolveModel } = await import('../model')
    const here = (id: string): string => {
      try {
        resolveModel(id)
        return 'in the cache'
      } catch {
        return 'not on this machine'
      }
    }
    const embedded = embeddedModels().map((name) => {
      const { config } = readModelConfig(resolveModel(name))
      return {
        name,
        architecture: config.architecture,
        size: `${config.layers} blocks of ${config.dim}`,
        where: 'embedded'
      }
    })
    const known = KNOWN_MODELS.map((m) => ({
      name: m.id,
      architecture: m.architecture,
      size: `${m.parameters}, ${m.downloadGb} GB`,
      where: here(m.id)
    }))
    return [...embedded, ...known]
  },

  async runs(out) {
    const { listRuns } = await import('../results/runs')
    return listRuns(out, (problem) => printNote(`not a run that can be read: ${problem.format()}`)).map(
      ({ manifest: m }) => ({
        id: m.id,
        status: m.status,
        started: m.startedAt.slice(0, 16).replace('T', ' '),
        settings: m.settings.length,
        took: duration(m.seconds)
      })
    )
  }
}
