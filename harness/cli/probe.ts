import type { Argv } from 'yargs'
import { percent, print, printJson, table } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('model', { type: 'string', demandOption: true, describe: 'An embedded model or a folder' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const probeCommand = command({
  command: 'probe <model>',
  describe: 'Measure how much of the made-up world a model knows',
  builder,
  async handler({ model: name, json }) {
    const { openModel } = await import('../model')
    const { useBackend } = await import('../tensor')
    const { probeWorld } = await import('../training/probe')
    await useBackend('auto')
    const model = await openModel(name)
    const report = probeWorld(model)
    if (json) {
      printJson(report)
      return
    }
    const rows = Object.entries(report.kinds).map(([kind, { facts, exact, statement, question }]) => [
      kind,
      String(facts),
      percent(exact),
      percent(statement.exact),
      percent(question.exact)
    ])
    print(table([['facts', 'asked', 'exact %', 'statements', 'questions'], ...rows], { right: [1, 2, 3, 4] }))
    const relations = Object.entries(report.relations).map(([r, { facts, exact }]) => [
      r,
      String(facts),
      percent(exact)
    ])
    print(`\n${table([['relation', 'asked', 'exact %'], ...relations], { right: [1, 2] })}`)
  }
})
