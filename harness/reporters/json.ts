import { join } from 'node:path'
import { printJson } from '../terminal'
import type { Reporter } from './reporter'
import { runJson } from './run-json'

/** For programs: one JSON object on stdout. */
export const jsonReporter = (): Reporter => ({
  async onComplete({ dir, resultsDir, summary }) {
    printJson(runJson(dir, join(resultsDir, 'report', 'index.html'), summary))
  }
})
