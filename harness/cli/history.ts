import type { Argv } from 'yargs'
import { print, printJson, printNote, table } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('name', { type: 'string', describe: 'Name of the config; that of the newest run when missing' })
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('last', { type: 'number', requiresArg: true, describe: 'Only so many of the newest runs' })
    .option('significance', {
      type: 'number',
      default: 0.05,
      requiresArg: true,
      describe: 'A step is one when its p, adjusted for every place where one could be, is less'
    })
    .option('html', { type: 'string', requiresArg: true, describe: 'Write a page with the trends to this file' })
    .option('feed', { type: 'string', requiresArg: true, describe: 'Write an Atom feed to this file' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const historyCommand = command({
  command: 'history [name]',
  describe: 'The same settings over many runs: trends, and where they step',
  builder,
  async handler(argv) {
    const { UserError } = await import('../errors')
    const { closestTo } = await import('../closest')
    const { HISTORY_DEFAULTS, historyOf, readHistoryRun, runsByName } = await import('../compare/history')
    const { SERIES_HEADER, seriesCells, stepsOf, stepText } = await import('../compare/history-text')
    const { listRuns } = await import('../results/runs')
    const { significance, last } = argv
    if (!(significance > 0 && significance < 1))
      throw new UserError('must lie between 0 and 1', { place: '--significance' })
    if (last !== undefined && !(Number.isInteger(last) && last > 0))
      throw new UserError('must be a whole number from 1', { place: '--last' })
    const leaveOut = (problem: InstanceType<typeof UserError>) => printNote(`left out: ${problem.format()}`)
    const names = runsByName(listRuns(argv.out, leaveOut))
    const name = argv.name ?? [...names.keys()][0]
    const dirs = name === undefined ? undefined : names.get(name)
    if (dirs === undefined)
      throw new UserError(
        name === undefined
          ? 'no complete run here'
          : `no complete run of '${name}'${closestTo(name, [...names.keys()])}`,
        {
          place: argv.out,
          hint: names.size === 0 ? 'make one: bench run CONFIG' : `names: ${[...names.keys()].join(', ')}`
        }
      )
    const read = dirs.slice(0, last).flatMap((dir) => {
      try {
        return [readHistoryRun(dir)]
      } catch (error) {
        // One damaged night is no reason to lose the others.
        if (!(error instanceof UserError)) throw error
        leaveOut(error)
        return []
      }
    })
    if (read.length === 0) throw new UserError('no run here can be read', { place: argv.out })
    const history = historyOf(read, { ...HISTORY_DEFAULTS, significance })
    if (argv.html !== undefined) {
      const { writeHistory } = await import('../../reports/history')
      writeHistory(argv.html, [history])
    }
    if (argv.feed !== undefined) {
      const { writeFeed } = await import('../../reports/feed')
      writeFeed(argv.feed, [history])
    }
    if (argv.json) printJson(history)
    else {
      const { runs, series } = history
      const [first, newest] = [runs[0]!, runs.at(-1)!].map((r) => r.startedAt.slice(0, 10))
      print(`${history.name}: ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}, ${first} to ${newest}\n`)
      print(table([SERIES_HEADER, ...series.map(seriesCells)], { right: [2, 3, 4, 5, 6] }))
      const steps = stepsOf(history)
      print(steps.length === 0 ? '\nno steps' : '\nsteps, the newest first:')
      for (const { run, series: of, step } of steps)
        print(`${run.startedAt.slice(0, 10)} ${run.id}\n  ${stepText(of, step)}`)
      const others = [...names.keys()].filter((other) => other !== name)
      if (argv.name === undefined && others.length > 0) print(`\nother histories: ${others.join(', ')}`)
    }
  }
})
