import { HISTORY_COLUMNS, type HistoryRun, historyOf, historyRunOf } from '../harness/compare/history'
import { UserError } from '../harness/errors'
import { groupBy } from '../harness/group-by'
import { columnsOf } from '../harness/results/columns'
import { listRuns } from '../harness/results/runs'
import { readRun } from '../harness/scoring/run-summary'
import { writeSite } from './site'

/** Renders all complete runs of a results folder. @throws UserError when there is none */
export async function writeReport(
  resultsDir: string,
  siteDir: string,
  onUnreadable: (problem: UserError) => void = () => {}
): Promise<{ index: string; pages: string[] }> {
  const complete = listRuns(resultsDir, onUnreadable).filter((r) => r.manifest.status === 'complete')
  if (complete.length === 0) {
    throw new UserError('no complete run here', {
      place: resultsDir,
      hint: 'make one: bench run configs/quickstart.yaml; or name another folder with --out DIR'
    })
  }
  const dirs = new Map<string, string>()
  const past: HistoryRun[] = []
  const summaries = complete.flatMap(({ dir, manifest }) => {
    try {
      const { summary, answers, edits } = readRun(dir)
      dirs.set(manifest.id, dir)
      past.push(historyRunOf(dir, manifest, columnsOf(answers, HISTORY_COLUMNS), edits))
      return [summary]
    } catch (error) {
      // One damaged run is no reason to leave out the others.
      if (!(error instanceof UserError)) throw error
      onUnreadable(error)
      return []
    }
  })
  if (summaries.length === 0) throw new UserError('no run here can be read', { place: resultsDir })
  // One run is no history.
  const many = [...groupBy(past, (run) => run.name).values()].filter((runs) => runs.length > 1)
  return writeSite(
    siteDir,
    summaries,
    (id) => readRun(dirs.get(id)!).answers,
    many.map((runs) => historyOf(runs))
  )
}
