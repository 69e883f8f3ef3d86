import type { Argv } from 'yargs'
import { UserError } from '../errors'
import { print, printJson, table } from '../terminal'
import { command } from './command'

/** Findings of a kind that are named one by one. */
const NAMED = 5

const checkBuilder = (yargs: Argv) =>
  yargs
    .positional('file', { type: 'string', demandOption: true, describe: 'A data file in an official format' })
    .option('dataset', {
      type: 'string',
      requiresArg: true,
      describe: 'Which dataset it is, where its keys fit several'
    })
    .option('all', { type: 'boolean', default: false, describe: 'Name every finding' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

const checkDataCommand = command({
  command: 'check <file>',
  describe:
    'Say what is in a data file and what may be wrong with it: exit code 0 when nothing is, 1 when something is',
  builder: checkBuilder,
  async handler(argv) {
    const { file, dataset: name, all, json } = argv
    const { checkData, FINDINGS, titleOf } = await import('../../datasets/check')
    const { findDataset } = await import('../../datasets')
    const report = await checkData(file, name === undefined ? {} : { dataset: findDataset(name) })
    if (json) printJson(report)
    else {
      const { records, cases, edits, subjects, questions, findings } = report
      print(titleOf(report))
      print(`${records} records, ${cases} cases, ${edits} edits of ${subjects} subjects`)
      print(
        table(
          Object.entries(questions).map(([kind, count]) => [kind, String(count)]),
          { right: [1] }
        )
      )
      for (const [kind, title] of Object.entries(FINDINGS)) {
        const own = findings.filter((f) => f.kind === kind)
        if (own.length === 0) continue
        print(`\n${own.length} ${title}:`)
        for (const { line, message } of all ? own : own.slice(0, NAMED)) print(`  ${file}:${line}: ${message}`)
        if (!all && own.length > NAMED) print(`  and ${own.length - NAMED} more; --all names them`)
      }
      if (findings.length === 0) print('\nnothing is wrong')
    }
    if (report.findings.length > 0) argv.exitCode = 1
  }
})

const showBuilder = (yargs: Argv) =>
  yargs
    .positional('name', { type: 'string', demandOption: true, describe: 'A dataset of `bench list datasets`' })
    .option('source', {
      type: 'string',
      requiresArg: true,
      describe: 'File in its official format; the embedded world when missing'
    })
    .option('split', {
      choices: ['train', 'test'] as const,
      default: 'test' as const,
      describe: 'Which half of the embedded world'
    })
    .option('case', { type: 'string', requiresArg: true, describe: 'Id of a case; the first one when missing' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

const showDataCommand = command({
  command: 'show <name>',
  describe: 'Show a case: what is edited, and what is asked',
  builder: showBuilder,
  async handler({ name, source, split, case: id, json }) {
    const { findDataset, loadCases } = await import('../../datasets')
    const options = { onBadRecord: 'skip', seed: 0, split } as const
    for await (const editCase of loadCases(findDataset(name), source, options)) {
      if (id !== undefined && editCase.id !== id) continue
      if (json) printJson(editCase)
      else {
        print(`${editCase.id}, ${editCase.place}`)
        for (const { prompt, subject, target, previousTarget } of editCase.requests)
          print(
            `  ${prompt} → ${target}${previousTarget === undefined ? '' : ` (was: ${previousTarget})`}   subject: ${subject}`
          )
        const rows = editCase.probes.map((p) => [
          `${p.property}/${p.kind}`,
          p.prompt.length > 80 ? `… ${p.prompt.slice(-78).replaceAll('\n', ' ')}` : p.prompt,
          p.expected === 'same-as-before'
            ? `as before${p.gold === undefined ? '' : ` (${p.gold})`}`
            : p.expected.join(' | ')
        ])
        print(table(rows))
      }
      return
    }
    throw new UserError(id === undefined ? 'the dataset has no case' : `there is no case '${id}'`, {
      place: source ?? name,
      ...(id === undefined ? {} : { hint: `its cases are called ${name}-0, ${name}-1 … or by their own numbers` })
    })
  }
})

export const dataCommand = command({
  command: 'data <command>',
  describe: 'Check a data file, or show a case',
  builder: (yargs: Argv) =>
    yargs
      .command(checkDataCommand as never)
      .command(showDataCommand as never)
      .demandCommand(1),
  handler: async () => {}
})
