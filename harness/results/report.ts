import { writeSite } from '../../reports/site'
import { UserError } from '../errors'
import { answerViews, listRuns, readRun } from './runs'

/** Renders all complete runs of a results folder. @throws UserError when there is none */
export async function writeReport(
  resultsDir: string,
  siteDir: string,
  onUnreadable?: (problem: UserError) => void
): Promise<{ index: string; pages: string[] }> {
  const complete = listRuns(resultsDir, onUnreadable).filter((r) => r.manifest.status === 'complete')
  if (complete.length === 0) {
    throw new UserError('no complete run here', {
      place: resultsDir,
      hint: 'make one: bench run configs/quickstart.yaml; or name another folder with --out DIR'
    })
  }
  const dirs = new Map(complete.map(({ dir, manifest }) => [manifest.id, dir]))
  const summaries = complete.map(({ dir }) => readRun(dir).summary)
  return writeSite(siteDir, summaries, (id) => answerViews(readRun(dirs.get(id)!).answers))
}
