import type { Argv } from 'yargs'
import { REPORTERS, type ReporterName } from '../reporters'
import { printNote } from '../terminal'
import { command } from './command'
import { RunInterruptedExit } from './exit'
import { withOverrides } from './overrides'

const builder = (yargs: Argv) =>
  withOverrides(
    yargs.positional('config', {
      type: 'string',
      demandOption: true,
      describe: 'YAML file, such as configs/quickstart.yaml'
    })
  )
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('resume', {
      type: 'boolean',
      default: false,
      describe: 'Go on with the run of this config where it stopped'
    })
    .option('retry-failed', {
      type: 'boolean',
      default: false,
      describe: 'Go on, and compute again what holds failed cases, of a complete run too'
    })
    .option('reporter', {
      choices: REPORTERS,
      array: true,
      default: ['terminal', 'html'] as readonly ReporterName[],
      requiresArg: true,
      describe: 'Who is told: terminal, html (the leaderboard of the folder), csv (RUN/results.csv), json (stdout)'
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

/** Exit code 1: the run is complete, but some cases failed. */
const SOME_FAILED = 1

export const runCommand = command({
  command: 'run <config>',
  describe: 'Edit, score and store; then write the report',
  builder,
  async handler(argv) {
    const { loadConfig } = await import('../config/load')
    const { applyOverrides } = await import('./overrides')
    const { planRun } = await import('../runner/plan')
    const { executeRun, RunInterrupted } = await import('../runner/run')
    const { checkResultsDir } = await import('../runner/folder')
    const { reporters } = await import('../reporters')
    const { readingNotes } = await import('../reporters/progress')
    const { readRun } = await import('../scoring/run-summary')
    const plan = await planRun(applyOverrides(loadConfig(argv.config), argv), { onReading: readingNotes() })
    checkResultsDir(argv.out)
    const told = await reporters(argv.json ? [...argv.reporter, 'json'] : argv.reporter)
    const stop = new AbortController()
    const interrupt = () => stop.abort()
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', interrupt)
    try {
      const finished = await executeRun(plan, {
        resultsDir: argv.out,
        resume: argv.resume || argv.retryFailed,
        retryFailed: argv.retryFailed,
        onEvent: (event) => {
          for (const reporter of told) reporter.onEvent?.(event)
        },
        signal: stop.signal
      })
      const { summary } = readRun(finished.dir)
      for (const reporter of told) await reporter.onComplete?.({ ...finished, resultsDir: argv.out, summary })
      if (finished.failed > 0) argv.exitCode = SOME_FAILED
    } catch (error) {
      for (const reporter of told) reporter.close?.()
      if (!(error instanceof RunInterrupted)) throw error
      if (error.reason !== undefined) {
        const kept = `${error.stored} of ${error.shards} shards are stored in ${error.dir}`
        printNote(
          `stopped: ${error.reason}\n${kept}; log.jsonl there names the failures; --retry-failed tries them again`
        )
        argv.exitCode = SOME_FAILED
        return
      }
      throw new RunInterruptedExit(
        !error.kept
          ? 'interrupted before anything was stored'
          : `interrupted: ${error.stored} of ${error.shards} shards are stored in ${error.dir}; add --resume to go on`
      )
    } finally {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    }
  }
})
