import { join, relative } from 'node:path'
import type { Argv } from 'yargs'
import { print, printJson, printNote } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('site', { type: 'string', requiresArg: true, describe: 'Where the pages go; OUT/report when missing' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const reportCommand = command({
  command: 'report',
  describe: 'Write the leaderboard of all runs as a static page',
  builder,
  async handler({ out, site, json }) {
    const { writeReport } = await import('../../reports/write')
    const { index, pages } = await writeReport(out, site ?? join(out, 'report'), (problem) =>
      printNote(`left out: ${problem.format()}`)
    )
    if (json) printJson({ index, pages })
    else
      print(`report: ${relative(process.cwd(), index)} (${pages.length} run ${pages.length === 1 ? 'page' : 'pages'})`)
  }
})
