import { join, relative } from 'node:path'
import { writeReport } from '../../reports/write'
import { printNote } from '../terminal'
import type { Reporter, ReporterOptions } from './reporter'

/** For browsers: the leaderboard of all runs of the folder, this one among them. */
export const htmlReporter = ({ say }: ReporterOptions): Reporter => ({
  async onComplete({ resultsDir }) {
    const { index } = await writeReport(resultsDir, join(resultsDir, 'report'), (problem) =>
      printNote(`left out of the report: ${problem.format()}`)
    )
    say(`report:  ${relative(process.cwd(), index)}`)
  }
})
