import { writeFileSync } from 'node:fs'
import type { Argv } from 'yargs'
import { print, printJson } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('run', { type: 'string', demandOption: true, describe: "A run's id or folder, or `latest`" })
    .option('baseline', {
      type: 'string',
      default: 'previous',
      requiresArg: true,
      describe: "A run's id or folder, or `previous`, the newest of the same name before it"
    })
    .option('rules', { type: 'string', requiresArg: true, describe: 'YAML file; significant losses fail when missing' })
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('junit', { type: 'string', requiresArg: true, describe: 'Write the checks as JUnit XML to this file' })
    .option('summary', { type: 'string', requiresArg: true, describe: 'Write a Markdown summary to this file' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

/** Exit code 1: a regression. */
const REGRESSION = 1

export const gateCommand = command({
  command: 'gate <run>',
  describe: 'Fail when a run is worse than its baseline by your rules: for the nightly job',
  builder,
  async handler(argv) {
    const { loadRules } = await import('../config/load')
    const { COMPARE_DEFAULTS, compareRuns } = await import('../compare/compare')
    const { findRun, readComparedRun } = await import('../compare/find-run')
    const { gate, gateMarkdown, gateRules, junitXml } = await import('../compare/gate')
    const { comparisonMarkdown, conclusion } = await import('../compare/text')
    const { replaceWhole } = await import('../replace')
    const rules = loadRules(argv.rules, gateRules)
    const runDir = findRun(argv.run, argv.out)
    const base = readComparedRun(findRun(argv.baseline, argv.out, runDir))
    // Every flip, so that each check can name its first.
    const options = { ...COMPARE_DEFAULTS, flips: Number.POSITIVE_INFINITY }
    const comparison = compareRuns(base, readComparedRun(runDir), options)
    const checks = gate(comparison, rules)
    const failed = checks.filter((c) => c.failure !== undefined)
    const write = (file: string, text: string) => replaceWhole(file, (temporary) => writeFileSync(temporary, text))
    if (argv.junit !== undefined) write(argv.junit, junitXml(checks))
    if (argv.summary !== undefined) {
      const shown = { ...comparison, flips: comparison.flips.slice(0, COMPARE_DEFAULTS.flips) }
      write(argv.summary, `${gateMarkdown(checks)}\n\n${comparisonMarkdown(shown)}\n`)
    }
    if (argv.json) printJson({ passed: failed.length === 0, checks, verdict: comparison.verdict })
    else {
      // Several rules can say the same.
      for (const line of new Set(failed.map(({ group, failure }) => `✗ ${group}: ${failure}`))) print(line)
      print(
        `${failed.length === 0 ? `✓ all ${checks.length} checks hold` : `${failed.length} of ${checks.length} checks fail`}\n${conclusion(comparison)}`
      )
    }
    if (failed.length > 0) argv.exitCode = REGRESSION
  }
})
