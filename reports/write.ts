import { historyOf, readHistoryRun, runsByName } from '../harness/compare/history'
import { UserError } from '../harness/errors'
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
  const summaries = complete.flatMap(({ dir, manifest }) => {
    try {
      const { summary } = readRun(dir)
      dirs.set(manifest.id, dir)
      return [summary]
    } catch (error) {
      // One damaged run is no reason to leave out the others.
      if (!(error instanceof UserError)) throw error
      onUnreadable(error)
      return []
    }
  })
  if (summaries.length === 0) throw new UserError('no run here can be read', { place: resultsDir })
  const readable = complete.filter(({ manifest }) => dirs.has(manifest.id))
  // One run is no history.
  const histories = [...runsByName(readable).values()].flatMap((own) =>
    own.length < 2 ? [] : [historyOf(own.map(readHistoryRun))]
  )
  return writeSite(siteDir, summaries, (id) => readRun(dirs.get(id)!).answers, histories)
}
