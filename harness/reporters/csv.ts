import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { resultsCsv } from '../../reports/csv'
import { replaceWhole } from '../replace'
import type { Reporter, ReporterOptions } from './reporter'

/** For spreadsheets: the run's numbers as RUN/results.csv. */
export const csvReporter = ({ say }: ReporterOptions): Reporter => ({
  async onComplete({ dir, summary }) {
    const file = join(dir, 'results.csv')
    replaceWhole(file, (temporary) => writeFileSync(temporary, resultsCsv([summary])))
    say(`numbers: ${relative(process.cwd(), file)}`)
  }
})
