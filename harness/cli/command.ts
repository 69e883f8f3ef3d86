import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs'

/** A command whose handler gets the arguments that its builder declares. */
export function command<T>(module: {
  readonly command: string
  readonly describe: string
  readonly builder: (yargs: Argv) => Argv<T>
  handler(argv: ArgumentsCamelCase<T>): Promise<void>
}): CommandModule<object, never> {
  // yargs types a builder by what was declared before it, which is nothing, and a list of commands has no common type.
  return module as unknown as CommandModule<object, never>
}
