import { print, printNote } from '../terminal'
import type { Reporter, ReporterOptions } from './reporter'

export type { ReportedRun, Reporter } from './reporter'

/** Every reporter; a new one is a file and a line here. Each is loaded when it is wanted. */
const MAKE = {
  terminal: async (options: ReporterOptions) => (await import('./terminal')).terminalReporter(options),
  html: async (options: ReporterOptions) => (await import('./html')).htmlReporter(options),
  csv: async (options: ReporterOptions) => (await import('./csv')).csvReporter(options),
  json: async () => (await import('./json')).jsonReporter()
} satisfies Record<string, (options: ReporterOptions) => Promise<Reporter>>

export type ReporterName = keyof typeof MAKE
export const REPORTERS = Object.keys(MAKE) as readonly ReporterName[]

/** Reporters by name, in the order of the list. People read stderr where a program reads stdout. */
export function reporters(names: readonly ReporterName[]): Promise<Reporter[]> {
  const options = { say: names.includes('json') ? printNote : print }
  return Promise.all(REPORTERS.filter((name) => names.includes(name)).map((name) => MAKE[name](options)))
}
