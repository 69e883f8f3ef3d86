#!/usr/bin/env node
import yargs, { type Argv, type CommandModule } from 'yargs'
import { hideBin } from 'yargs/helpers'
import { closestTo } from '../closest'
import { explain, UserError } from '../errors'
import { printNote } from '../terminal'
import { askCommand } from './ask'
import { checkCommand } from './check'
import { compareCommand } from './compare'
import { dataCommand } from './data'
import { doctorCommand } from './doctor'
import { RunInterruptedExit } from './exit'
import { exportCommand } from './export'
import { fetchCommand } from './fetch'
import { gateCommand } from './gate'
import { historyCommand } from './history'
import { listCommand } from './list'
import { memoriesCommand } from './memories'
import { pretrainCommand } from './pretrain'
import { probeCommand } from './probe'
import { reportCommand } from './report'
import { runCommand } from './run'
import { statsCommand } from './stats'
import { traceCommand } from './trace'
import { trainCommand } from './train'
import { verifyCommand } from './verify'

const OK = 0
const USER_ERROR = 2
/** EX_SOFTWARE of sysexits.h: a bug of ours. */
const BUG = 70

/** Every command; a new one is a file and a line here. */
const COMMANDS: readonly CommandModule<object, never>[] = [
  runCommand,
  checkCommand,
  trainCommand,
  traceCommand,
  memoriesCommand,
  statsCommand,
  reportCommand,
  compareCommand,
  gateCommand,
  historyCommand,
  exportCommand,
  listCommand,
  askCommand,
  dataCommand,
  fetchCommand,
  doctorCommand,
  verifyCommand,
  pretrainCommand,
  probeCommand
]

/** Exit code of the command line: 0 done, 1 some cases failed, 2 a mistake of the user, 70 a bug of ours, 130 interrupted. */
export async function main(args: readonly string[]): Promise<number> {
  let exitCode = OK
  const parser = COMMANDS.reduce((all, one) => all.command(one), yargs([...args]))
    .scriptName('bench')
    .usage('$0 COMMAND\n\nBenchmarks of model editing: edit, score, compare.')
    .option('verbose', { type: 'boolean', default: false, global: true, describe: 'Show where an error comes from' })
    .demandCommand(1, 'say what to do; `bench --help` lists the commands')
    .recommendCommands()
    .strict()
    .check((argv, options) => onlyOnce(argv, options as unknown as { array: readonly string[] }))
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    .fail((message, error) => {
      // Its own complaints come as errors too.
      throw error === undefined || error.name === 'YError' ? usageError(message, args) : error
    })
    .exitProcess(false)
  try {
    const argv = await parser.parseAsync()
    if (typeof argv.exitCode === 'number') exitCode = argv.exitCode
  } catch (thrown) {
    exitCode = report(thrown, args.includes('--verbose'))
  }
  return exitCode
}

/** A flag given twice becomes a list, which only some may be. */
function onlyOnce(argv: Readonly<Record<string, unknown>>, { array }: { readonly array: readonly string[] }): true {
  for (const [flag, value] of Object.entries(argv)) {
    if (flag === '_' || !Array.isArray(value) || array.includes(flag)) continue
    throw new UserError(`is given ${value.length} times`, { place: `--${flag}`, hint: 'give it once' })
  }
  return true
}

/** yargs names the unknown; the nearest known one helps more. */
function usageError(message: string, args: readonly string[]): UserError {
  const unknown = /^Unknown arguments?: ([\w-]+)/.exec(message)?.[1]
  const hint = `\`bench ${args[0]?.startsWith('-') === false ? `${args[0]} ` : ''}--help\` shows what is possible`
  if (unknown === undefined) return new UserError(message.charAt(0).toLowerCase() + message.slice(1), { hint })
  return new UserError(`unknown argument '${unknown}'${closestTo(unknown, flags())}`, { hint })
}

/** All flags of all commands, as the commands declare them. */
function flags(): string[] {
  const declared = COMMANDS.map(({ builder }) => (builder as (y: Argv) => Argv)(yargs([])) as DeclaredOptions)
  return [...new Set(declared.flatMap((d) => Object.keys(d.getOptions().key)).concat('verbose', 'help', 'version'))]
}

/** What yargs knows of declared options; its types leave it out. */
type DeclaredOptions = Argv & { getOptions(): { readonly key: Readonly<Record<string, unknown>> } }

function report(thrown: unknown, verbose: boolean): number {
  const error = explain(thrown)
  if (error instanceof RunInterruptedExit) {
    printNote(`\n${error.message}`)
    return 130
  }
  const stack = error instanceof Error ? error.stack : undefined
  if (error instanceof UserError) {
    printNote(`error: ${error.format()}${verbose && stack !== undefined ? `\n${stack}` : ''}`)
    return USER_ERROR
  }
  const message = error instanceof Error ? error.message : String(error)
  printNote(
    verbose
      ? `internal error: ${stack ?? message}`
      : `internal error: ${message}\n  this is a bug in bench; --verbose shows where`
  )
  return BUG
}

if (require.main === module) {
  // A reader that stops early (`bench list models | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(OK)
    process.exit(report(new UserError(`the output cannot be written: ${error.message}`, { place: 'stdout' }), false))
  })
  // Nobody is left to tell.
  process.stderr.on('error', () => {})
  main(hideBin(process.argv)).then((code) => {
    process.exitCode = code
  })
}
