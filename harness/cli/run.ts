import { join, relative } from 'node:path'
import type { Argv, CommandModule } from 'yargs'
import type { UserError } from '../errors'
import { RunInterruptedExit } from './exit'
import { print, printJson, printNote } from './format'
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
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

type Arguments = ReturnType<typeof builder> extends Argv<infer T> ? T : never

/** Exit code 1: the run is complete, but some cases failed. */
const SOME_FAILED = 1

export const runCommand: CommandModule<object, Arguments> = {
  command: 'run <config>',
  describe: 'Edit, score and store; then write the report',
  builder: builder as CommandModule<object, Arguments>['builder'],
  async handler(argv) {
    const { loadConfig } = await import('../config/load')
    const { applyOverrides } = await import('./overrides')
    const { planRun } = await import('../runner/plan')
    const { executeRun, RunInterrupted } = await import('../runner/run')
    const { checkResultsDir } = await import('../runner/folder')
    const { progressView, readingNotes } = await import('./progress')
    const { readRun } = await import('../results/runs')
    const { writeReport } = await import('../results/report')
    const { runJson } = await import('../results/json')
    const { skippedLines, summaryTable } = await import('./summary')
    const plan = await planRun(applyOverrides(loadConfig(argv.config), argv), { onReading: readingNotes() })
    checkResultsDir(argv.out)
    const view = progressView(process.stderr.isTTY === true)
    const stop = new AbortController()
    const interrupt = () => stop.abort()
    process.on('SIGINT', interrupt)
    process.on('SIGTERM', interrupt)
    try {
      const finished = await executeRun(plan, {
        resultsDir: argv.out,
        resume: argv.resume || argv.retryFailed,
        retryFailed: argv.retryFailed,
        onProgress: view.update,
        onLog: view.note,
        signal: stop.signal
      })
      view.stop()
      const { summary } = readRun(finished.dir)
      const unreadable = (problem: Error) => printNote(`left out of the report: ${(problem as UserError).format()}`)
      const site = await writeReport(argv.out, join(argv.out, 'report'), unreadable)
      // With --json stdout is for the program that reads it, and people read stderr.
      const say = argv.json ? printNote : print
      say(summaryTable(summary))
      for (const line of skippedLines(finished.manifest.skipped)) say(line)
      if (finished.failed > 0) say(`${finished.failed} of ${finished.edits} edits failed; the run page names them`)
      say(`\nanswers: ${relative(process.cwd(), finished.dir)}\nreport:  ${relative(process.cwd(), site.index)}`)
      if (argv.json) printJson(runJson(finished.dir, site.index, summary))
      if (finished.failed > 0) argv.exitCode = SOME_FAILED
    } catch (error) {
      view.stop()
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
        error.stored === 0
          ? 'interrupted before anything was stored'
          : `interrupted: ${error.stored} of ${error.shards} shards are stored in ${error.dir}; add --resume to go on`
      )
    } finally {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    }
  }
}
