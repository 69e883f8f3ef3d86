import { writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Argv } from 'yargs'
import type { Format } from '../../reports/export'
import { harmless } from '../terminal'
import { command } from './command'

/** Options are declared before anything is loaded. */
const FORMATS = ['markdown', 'latex', 'csv', 'json', 'parquet'] as const satisfies readonly Format[]

const builder = (yargs: Argv) =>
  yargs
    .positional('runs', {
      type: 'string',
      array: true,
      default: ['latest'],
      describe: "Runs' ids or folders, or `latest`; several are laid out in common tables"
    })
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('format', { choices: FORMATS, describe: 'What the ending of --file says, else markdown, for answers csv' })
    .option('file', { type: 'string', requiresArg: true, describe: 'Write to this file instead of stdout' })
    .option('answers', { type: 'boolean', default: false, describe: 'Every answer instead of the tables' })

export const exportCommand = command({
  command: 'export [runs..]',
  describe: 'Results as Markdown, LaTeX, CSV, JSON or Parquet',
  builder,
  async handler(argv) {
    const { UserError } = await import('../errors')
    const { findRun } = await import('../compare/find-run')
    const { ENDINGS, exportAnswers, exportResults } = await import('../../reports/export')
    const { replaceWhole } = await import('../replace')
    const { readRun } = await import('../scoring/run-summary')
    const { file, answers } = argv
    const unsaid = answers ? 'csv' : 'markdown'
    const byEnding = file === undefined ? unsaid : ENDINGS[extname(file).toLowerCase()]
    const format = argv.format ?? byEnding
    if (format === undefined)
      throw new UserError(`the format of ${file} is not known by its ending`, {
        place: '--file',
        hint: `end it in ${Object.keys(ENDINGS).join(', ')}, or give --format`
      })
    if (format === 'parquet' && file === undefined)
      throw new UserError('Parquet is no text', { place: '--format', hint: 'give --file FILE' })
    const dirs = [...new Set(argv.runs.map((name) => findRun(name, argv.out)))]
    let content: string | Uint8Array
    if (answers) {
      if (format === 'markdown' || format === 'latex')
        throw new UserError(`answers as ${format} would be read by nobody`, {
          place: '--answers',
          hint: 'give --format csv, json or parquet'
        })
      const read = dirs.map((dir) => readRun(dir))
      content = await exportAnswers(
        format,
        read.map((run) => ({ run: run.summary.id, rows: run.answers }))
      )
    } else
      content = await exportResults(
        format,
        dirs.map((dir) => readRun(dir).summary)
      )
    const shown = typeof content === 'string' && process.stdout.isTTY ? harmless(content) : content
    if (file === undefined) process.stdout.write(shown)
    else replaceWhole(file, (temporary) => writeFileSync(temporary, content))
  }
})
