import type { Argv } from 'yargs'
import { duration, print, printJson, printNote } from '../terminal'
import { command } from './command'
import { withOverrides } from './overrides'

const builder = (yargs: Argv) =>
  withOverrides(
    yargs.positional('config', {
      type: 'string',
      demandOption: true,
      describe: 'YAML file whose methods are to learn what they must before they edit'
    })
  ).option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const trainCommand = command({
  command: 'train <config>',
  describe:
    'Learn what the methods of a config must know before they edit; a run does it by itself when it is not there',
  builder,
  async handler(argv) {
    const { UserError } = await import('../errors')
    const { loadConfig } = await import('../config/load')
    const { applyOverrides } = await import('./overrides')
    const { planRun } = await import('../runner/plan')
    const { trainMethods } = await import('../runner/train')
    const { artifactFile } = await import('../runner/artifacts')
    const { cacheDir } = await import('../runner/machine')
    const { progressView } = await import('../reporters/progress')
    const plan = await planRun(applyOverrides(loadConfig(argv.config), argv))
    if (plan.settings.every((s) => s.method.training === undefined))
      throw new UserError('none of its methods learns anything beforehand', { place: argv.config })
    const view = progressView(process.stderr.isTTY === true)
    const trained = await trainMethods(plan, (event) => {
      if (event.type === 'training') view.training(event)
      else if (event.type === 'note') printNote(event.message)
    })
    const results = trained.map(({ method, model, training }) => ({
      method,
      model,
      ...training,
      file: artifactFile(cacheDir(), training.artifact)
    }))
    if (argv.json) printJson(results)
    else
      for (const { method, model, how, ms, file } of results)
        print(
          `${method} on ${model}: ${how === 'cached' ? 'learnt before' : 'learnt'} in ${duration(ms / 1000)}\n  ${file}`
        )
  }
})
