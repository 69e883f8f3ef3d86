import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { History } from '../harness/compare/history'
import { fileName } from '../harness/file-name'
import { replaceWhole } from '../harness/replace'
import type { AnswerRow } from '../harness/results/rows'
import type { RunSummary } from '../harness/scoring/types'
import { answersCsv, resultsCsv } from './csv'
import { writeFeed } from './feed'
import { moment } from './format'
import { writeHistory } from './history'
import { leaderboard } from './leaderboard'
import { loadTemplates, replaceFile } from './render'
import { runPage } from './run-page'

/**
 * Writes the static site of some runs: index.html with the leaderboard, for each run runs/ID.html and all its answers as CSV, results.csv, and where
 * there are histories history.html and feed.xml. All links are relative and the pages whole in themselves, so that they open from disk; their policy
 * lets nothing else be loaded or run.
 */
export async function writeSite(
  outDir: string,
  runs: readonly RunSummary[],
  answersOf: (runId: string) => Iterable<AnswerRow>,
  histories: readonly History[] = []
): Promise<{ index: string; pages: string[] }> {
  const render = loadTemplates()
  const newestFirst = [...runs].sort((a, b) => b.startedAt.localeCompare(a.startedAt))
  replaceFile(join(outDir, 'results.csv'), resultsCsv(newestFirst))
  const pages = newestFirst.map((run) => {
    const file = join(outDir, 'runs', `${fileName(run.id)}.html`)
    const body = render.run(runPage(run, answersOf(run.id)))
    replaceWhole(join(outDir, 'runs', `${fileName(run.id)}.answers.csv`), (temporary) => {
      const fd = openSync(temporary, 'w')
      for (const piece of answersCsv(answersOf(run.id))) writeSync(fd, piece)
      closeSync(fd)
    })
    replaceFile(file, render.layout({ title: run.name, home: '../index.html', body }))
    return file
  })
  const pageOf = (id: string) => `runs/${fileName(id)}.html`
  if (histories.length > 0) {
    writeHistory(join(outDir, 'history.html'), histories, { hrefOf: pageOf, home: 'index.html', feed: 'feed.xml' })
    writeFeed(join(outDir, 'feed.xml'), histories, { hrefOf: pageOf, self: 'feed.xml', page: 'history.html' })
  }
  const index = join(outDir, 'index.html')
  const body = render.leaderboard({
    tables: leaderboard(runs),
    history: histories.length > 0 ? 'history.html' : null,
    runs: newestFirst.map((run) => ({
      id: run.id,
      href: pageOf(run.id),
      started: moment(run.startedAt),
      machine: `${run.machine.cpu}, ${run.machine.cores} cores`,
      settings: run.settings.length
    }))
  })
  replaceFile(index, render.layout({ title: 'Model editing leaderboard', body }))
  return { index, pages }
}
