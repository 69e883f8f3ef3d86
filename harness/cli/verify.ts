import type { Argv } from 'yargs'
import { print, printJson } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('what', { choices: ['method', 'dataset'] as const, demandOption: true, describe: 'What it is' })
    .positional('name', {
      type: 'string',
      demandOption: true,
      describe: 'Its name, a file (./my-method.mjs) or a package'
    })
    .option('model', { type: 'string', default: 'gptj-mini', requiresArg: true, describe: 'Model to edit' })
    .option('source', { type: 'string', requiresArg: true, describe: "File in the dataset's own format" })
    .option('hyperparameters', {
      type: 'string',
      default: '{}',
      requiresArg: true,
      describe: "What differs from the method's defaults, as JSON"
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

/** Exit code 1: something does not hold. */
const SOME_FAILED = 1

export const verifyCommand = command({
  command: 'verify <what> <name>',
  describe: 'Check that a method or dataset keeps what every one promises',
  builder,
  async handler(argv) {
    const { findOutside } = await import('../outside')
    const findings = argv.what === 'method' ? await method(argv) : await dataset(argv)
    if (argv.json) printJson(findings)
    else
      for (const { what, problem } of findings) print(problem === undefined ? `✓ ${what}` : `✗ ${what}\n  ${problem}`)
    if (findings.some((f) => f.problem !== undefined)) argv.exitCode = SOME_FAILED

    async function method({ name, model: modelName, hyperparameters }: typeof argv) {
      const { METHODS } = await import('../../methods')
      const { loadMethod } = await import('../../methods/load')
      const { contextOf } = await import('../../methods/context')
      const { verifyMethod } = await import('../conformance/method')
      const { loadCases, findDataset } = await import('../../datasets')
      const { openModel } = await import('../model')
      const { cacheDir } = await import('../runner/machine')
      const { describeCorpus, openCorpus } = await import('../runner/corpus')
      const { useBackend } = await import('../tensor')
      const { UserError } = await import('../errors')
      const loaded = await loadMethod(name, METHODS.some((m) => m.name === name) ? undefined : findOutside(name, '.'))
      let values: Record<string, unknown>
      try {
        values = JSON.parse(hyperparameters) as Record<string, unknown>
      } catch (error) {
        throw new UserError(`not JSON: ${(error as Error).message}`, { place: '--hyperparameters' })
      }
      await useBackend('auto')
      const model = await openModel(modelName)
      const cases = []
      const options = { onBadRecord: 'fail', seed: 0, split: 'train', limit: 20 } as const
      for await (const c of loadCases(findDataset('counterfact'), undefined, options)) cases.push(c)
      const context = contextOf({ cacheDir: cacheDir(), corpus: openCorpus(await describeCorpus('world', cacheDir())) })
      return verifyMethod(loaded, { model, cases, context, hyperparameters: values })
    }

    async function dataset({ name, source }: typeof argv) {
      const { DATASETS } = await import('../../datasets')
      const { loadDataset } = await import('../../datasets/load')
      const { verifyDataset } = await import('../conformance/dataset')
      const ours = DATASETS.some((d) => d.name === name)
      return verifyDataset(await loadDataset(name, ours ? undefined : findOutside(name, '.')), source)
    }
  }
})
