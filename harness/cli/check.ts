import type { Argv } from 'yargs'
import { duration, print, printJson, table } from '../terminal'
import { command } from './command'
import { withOverrides } from './overrides'

const builder = (yargs: Argv) =>
  withOverrides(
    yargs.positional('config', {
      type: 'string',
      demandOption: true,
      describe: 'YAML file, such as configs/quickstart.yaml'
    })
  ).option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const checkCommand = command({
  command: 'check <config>',
  describe: 'Show what a config would do, how much it is, and about how long it takes',
  builder,
  async handler(argv) {
    const { loadConfig } = await import('../config/load')
    const { applyOverrides } = await import('./overrides')
    const { placeOfSkipped, planRun } = await import('../runner/plan')
    const { readingNotes } = await import('../reporters/progress')
    const { skippedLines } = await import('../reporters/summary')
    const { protocolName } = await import('../results/protocol')
    const { estimateRun } = await import('../runner/estimate')
    const plan = await planRun(applyOverrides(loadConfig(argv.config), argv), { onReading: readingNotes() })
    const estimate = await estimateRun(plan)
    const settings = plan.settings.map(({ id, label, modelName, dataset, method, valuesFrom, protocol, cases }) => ({
      id,
      method: label,
      model: modelName,
      dataset: dataset.label,
      source: dataset.source,
      skipped: dataset.skipped.length,
      protocol: protocolName(protocol),
      cases: cases.length,
      probes: cases.reduce((sum, c) => sum + c.probes.length, 0),
      hyperparameters: method.hyperparameters,
      ...(valuesFrom === undefined ? {} : { valuesFrom })
    }))
    const { workers, threads, shards } = plan
    if (argv.json) {
      printJson({
        name: plan.config.name,
        hash: plan.hash,
        settings,
        shards: shards.length,
        workers,
        threads,
        estimate
      })
      return
    }
    print(
      `${plan.config.name}: ${settings.length} settings, ${shards.length} shards, ${workers} workers of ${threads} threads\n`
    )
    print(
      table(
        [
          ['method', 'model', 'dataset', 'protocol', 'cases', 'probes', 'source'],
          ...settings.map((s) => [
            s.method,
            s.model,
            s.dataset,
            s.protocol,
            String(s.cases),
            String(s.probes),
            s.source
          ])
        ],
        { right: [4, 5] }
      )
    )
    for (const s of settings.filter(
      (s, i) => settings.findIndex((t) => t.method === s.method && t.model === s.model) === i
    ))
      print(
        `\n${s.method} on ${s.model}: ${JSON.stringify(s.hyperparameters)}${s.valuesFrom === undefined ? '' : `\n  published values: ${s.valuesFrom}`}`
      )
    const skipped = plan.datasets.flatMap((d) =>
      d.skipped.map((s) => ({ dataset: d.label, kind: s.kind, place: placeOfSkipped(s), reason: s.reason }))
    )
    for (const line of skippedLines(skipped)) print(line)
    print(
      `\nabout ${(estimate.flops / 1e12).toFixed(2)} TFLOP; at this machine's ${estimate.gflopsPerSecond.toFixed(0)} GFLOP/s about ${duration(estimate.seconds)}`
    )
  }
})
