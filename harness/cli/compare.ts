import type { Argv } from 'yargs'
import { print, printJson, table } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('base', {
      type: 'string',
      demandOption: true,
      describe: "A run's id or folder, `latest`, or `previous`"
    })
    .positional('run', { type: 'string', demandOption: true, describe: "A run's id or folder, or `latest`" })
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('significance', {
      type: 'number',
      default: 0.05,
      requiresArg: true,
      describe: 'A difference counts when its p, adjusted for all that is compared, is less'
    })
    .option('flips', { type: 'number', default: 50, requiresArg: true, describe: 'How many flipped answers are shown' })
    .option('markdown', { type: 'boolean', default: false, describe: 'Print Markdown' })
    .option('html', { type: 'string', requiresArg: true, describe: 'Write a page to this file' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

/** Exit code 1: something is worse. */
const WORSE = 1

export const compareCommand = command({
  command: 'compare <base> <run>',
  describe: 'Lay a run beside a baseline, case by case: what is better, the same, or worse',
  builder,
  async handler(argv) {
    const { UserError } = await import('../errors')
    const { COMPARE_DEFAULTS, compareRuns } = await import('../compare/compare')
    const { findRun, readComparedRun } = await import('../compare/find-run')
    const text = await import('../compare/text')
    const { significance, flips, out } = argv
    if (!(significance > 0 && significance < 1))
      throw new UserError('must lie between 0 and 1', { place: '--significance' })
    if (!Number.isInteger(flips) || flips < 0)
      throw new UserError('must be a whole number from 0', { place: '--flips' })
    const runDir = findRun(argv.run, out)
    const baseDir = findRun(argv.base, out, runDir)
    const run = readComparedRun(runDir)
    const comparison = compareRuns(readComparedRun(baseDir), run, { ...COMPARE_DEFAULTS, significance, flips })
    if (argv.html !== undefined) {
      const { writeComparison } = await import('../../reports/comparison')
      writeComparison(argv.html, comparison)
    }
    if (argv.json) printJson(comparison)
    else if (argv.markdown) print(text.comparisonMarkdown(comparison))
    else {
      print(
        table([text.PROPERTY_HEADER, ...comparison.properties.map(text.propertyCells)], { right: [2, 3, 4, 6, 7, 8] })
      )
      if (comparison.flips.length > 0) {
        print(`\nflipped answers, those that were lost first:`)
        print(table([text.FLIP_HEADER, ...comparison.flips.slice(0, SHOWN).map(text.flipCells)]))
        const more = comparison.flipped.lost + comparison.flipped.won - SHOWN
        if (more > 0) print(`and ${more} more: --json, --markdown or --html show them`)
      }
      if (comparison.efficiency.length > 0)
        print(
          `\n${table([text.EFFICIENCY_HEADER, ...comparison.efficiency.map(text.efficiencyCells)], { right: [2] })}`
        )
      for (const note of text.notes(comparison)) print(`note: ${note}`)
      print(`\n${text.conclusion(comparison)}`)
    }
    if (comparison.verdict === 'worse') argv.exitCode = WORSE
  }
})

/** Flipped answers on a terminal. */
const SHOWN = 10
