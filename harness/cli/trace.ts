import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import type { Argv } from 'yargs'
import { percent, print, printJson, printNote, table } from '../terminal'
import { command } from './command'
import { withOverrides } from './overrides'

const builder = (yargs: Argv) =>
  withOverrides(
    yargs.positional('config', {
      type: 'string',
      demandOption: true,
      describe: 'YAML file whose models and datasets are traced; its methods and protocols play no part'
    })
  )
    .option('facts', { type: 'number', default: 100, requiresArg: true, describe: 'Most facts of every dataset' })
    .option('samples', {
      type: 'number',
      default: 10,
      requiresArg: true,
      describe: 'Noises every effect is the mean over'
    })
    .option('noise', {
      type: 'number',
      default: 3,
      requiresArg: true,
      describe: "Its standard deviation, in those of the subjects' embeddings"
    })
    .option('window', {
      type: 'number',
      requiresArg: true,
      describe: 'Blocks whose MLPs or attentions are given back together; ten of 48, a fifth, when missing'
    })
    .option('out', {
      type: 'string',
      default: 'runs',
      requiresArg: true,
      describe: 'Folder of all runs; traces lie in its folder traces'
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const traceCommand = command({
  command: 'trace <config>',
  describe: 'Find where models keep facts: noise on the subject, and single states given back',
  builder,
  async handler(argv) {
    const { loadConfig } = await import('../config/load')
    const { UserError } = await import('../errors')
    const { applyOverrides } = await import('./overrides')
    const { planRun } = await import('../runner/plan')
    const { traceDatasets, traceRows } = await import('../runner/trace')
    const { averageEffects, suggestedLayer } = await import('../tracing/effects')
    const { tracesTable } = await import('../results/tables')
    const { writeTraces } = await import('../../reports/trace')
    for (const name of ['facts', 'samples', 'window'] as const)
      if (argv[name] !== undefined && !(Number.isInteger(argv[name]) && argv[name] > 0))
        throw new UserError(`must be a whole number above 0, found ${argv[name]}`, { place: `--${name}` })
    if (!(argv.noise > 0)) throw new UserError(`must be above 0, found ${argv.noise}`, { place: '--noise' })
    const plan = await planRun(applyOverrides(loadConfig(argv.config), argv))
    const { name, seed } = plan.config
    const { facts: most, samples, noise, window: given } = argv
    const onFacts = (done: number, all: number, dataset: string, model: string) => {
      if (process.stderr.isTTY === true) printNote(`${done}/${all} facts of ${dataset} on ${model}`)
    }
    const found = await traceDatasets(
      plan,
      { facts: most, samples, noise, ...(given === undefined ? {} : { window: given }) },
      onFacts
    )
    const traced = found.map((t) => ({ ...t, effects: averageEffects(t.traces.facts, seed) }))
    const hash = createHash('sha256')
      .update(JSON.stringify([plan.hash, most, samples, noise, given ?? null]))
      .digest('hex')
    const dir = join(argv.out, 'traces', `${name}-${hash.slice(0, 12)}`)
    mkdirSync(dir, { recursive: true })
    const rows = traced.map(({ model, dataset, traces }) => traceRows(model, dataset, traces.facts))
    tracesTable.write(join(dir, 'trace.arrow'), rows)
    writeTraces(join(dir, 'index.html'), traced)
    if (argv.json) {
      printJson(
        traced.map(({ traces, ...more }) => ({
          ...more,
          noise: traces.noise,
          unknown: traces.unknown.map((f) => f.id),
          dir
        }))
      )
      return
    }
    const lines = traced.flatMap(({ model, dataset, traces, effects, seconds }) => {
      if (effects === undefined) return [[model, dataset, '0', String(traces.unknown.length), '-', '-', '-', '-']]
      const peak = (kind: string, role: string) => {
        const own = effects.average.filter((e) => e.kind === kind && e.role === role)
        const best = own.reduce((a, b) => (b.effect.mean > a.effect.mean ? b : a))
        return `${percent(best.effect.mean)} at ${best.layer}`
      }
      const { mean, layer } = { mean: suggestedLayer(effects).effect.mean, layer: suggestedLayer(effects).layer }
      return [
        [
          ...[model, dataset, String(effects.facts), String(traces.unknown.length), percent(effects.total.mean)],
          ...[peak('block', 'last subject token'), `${percent(mean)} at ${layer}`, peak('attention', 'last token')],
          `${seconds.toFixed(1)} s`
        ]
      ]
    })
    const header = [
      'model',
      'dataset',
      'facts',
      'unknown',
      'total',
      'state, subject',
      'MLPs, subject',
      'attentions, end',
      ''
    ]
    print(table([header, ...lines], { right: [2, 3, 4, 5, 6, 7, 8] }))
    print(
      "rise of the answer's probability in percent: by all without noise, and largest by what is given back, with its block"
    )
    print(`\ntable: ${relative('', join(dir, 'trace.arrow'))}\nmaps:  ${relative('', join(dir, 'index.html'))}`)
  }
})
