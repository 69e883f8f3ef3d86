import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Argv } from 'yargs'
import { print, printJson } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('run', { type: 'string', demandOption: true, describe: "A run's id or folder, or `latest`" })
    .option('baseline', {
      type: 'string',
      default: 'last-good',
      requiresArg: true,
      describe:
        "A run's id or folder, `previous`, or `last-good`: the newest of the same name before it that passed its gate"
    })
    .option('rules', { type: 'string', requiresArg: true, describe: 'YAML file; significant losses fail when missing' })
    .option('out', { type: 'string', default: 'runs', requiresArg: true, describe: 'Folder of all runs' })
    .option('junit', { type: 'string', requiresArg: true, describe: 'Write the checks as JUnit XML to this file' })
    .option('summary', { type: 'string', requiresArg: true, describe: 'Write a Markdown summary to this file' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

const FIRST = 'no run of this name passed a gate before: this one is the first baseline\n\n'

/** Exit code 1: a regression. */
const REGRESSION = 1

export const gateCommand = command({
  command: 'gate <run>',
  describe: 'Fail when a run is worse than its baseline by your rules: for the nightly job',
  builder,
  async handler(argv) {
    const { loadRules } = await import('../config/load')
    const { COMPARE_DEFAULTS, compareRuns } = await import('../compare/compare')
    const { findRun, lastGood, readComparedRun } = await import('../compare/find-run')
    const { gate, gateMarkdown, gateRules, junitXml } = await import('../compare/gate')
    const { comparisonMarkdown, conclusion } = await import('../compare/text')
    const { replaceWhole } = await import('../replace')
    const rules = loadRules(argv.rules, gateRules)
    const runDir = findRun(argv.run, argv.out)
    const write = (file: string, text: string) => replaceWhole(file, (temporary) => writeFileSync(temporary, text))
    const record = (passed: boolean, baseline: string | null) =>
      write(join(runDir, 'gate.json'), `${JSON.stringify({ passed, baseline }, null, 2)}\n`)
    const good = argv.baseline === 'last-good'
    const baseDir = good ? lastGood(runDir, argv.out) : findRun(argv.baseline, argv.out, runDir)
    // The first run is its own baseline: what must hold without one is checked all the same.
    const first = baseDir === undefined ? FIRST : ''
    const base = readComparedRun(baseDir ?? runDir)
    // Every flip, so that each check can name its first.
    const options = { ...COMPARE_DEFAULTS, flips: Number.POSITIVE_INFINITY }
    const comparison = compareRuns(base, readComparedRun(runDir), options)
    const checks = gate(comparison, rules)
    const failed = checks.filter((c) => c.failure !== undefined)
    record(failed.length === 0, baseDir === undefined ? null : base.id)
    if (argv.junit !== undefined) write(argv.junit, junitXml(checks))
    if (argv.summary !== undefined) {
      const shown = { ...comparison, flips: comparison.flips.slice(0, COMPARE_DEFAULTS.flips) }
      write(argv.summary, `${first}${gateMarkdown(checks)}\n\n${comparisonMarkdown(shown)}\n`)
    }
    if (argv.json)
      printJson({
        passed: failed.length === 0,
        baseline: baseDir === undefined ? null : base.id,
        checks,
        verdict: comparison.verdict
      })
    else {
      if (first !== '') print(first.trim())
      // Several rules can say the same.
      for (const line of new Set(failed.map(({ group, failure }) => `✗ ${group}: ${failure}`))) print(line)
      print(
        `${failed.length === 0 ? `✓ all ${checks.length} checks hold` : `${failed.length} of ${checks.length} checks fail`}\n${conclusion(comparison)}`
      )
    }
    if (failed.length > 0) argv.exitCode = REGRESSION
  }
})
