import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Handlebars from 'handlebars'
import { packageRoot } from '../harness/model/registry'
import { replaceWhole } from '../harness/replace'
import type { AnswerView, RunSummary } from '../harness/results/types'
import { resultsCsv } from './csv'
import { moment } from './format'
import { leaderboard } from './leaderboard'
import { runPage } from './run-page'

/**
 * Writes the static site of some runs: index.html with the leaderboard, runs/ID.html for each run, results.csv, one stylesheet. All links are
 * relative, so that it opens from disk.
 */
export async function writeSite(
  outDir: string,
  runs: readonly RunSummary[],
  answersOf: (runId: string) => Iterable<AnswerView>
): Promise<{ index: string; pages: string[] }> {
  const render = loadTemplates()
  const newestFirst = [...runs].sort((a, b) => b.startedAt.localeCompare(a.startedAt))
  replaceFile(join(outDir, 'site.css'), readFileSync(join(source(), 'styles', 'site.css'), 'utf8'))
  replaceFile(join(outDir, 'results.csv'), resultsCsv(newestFirst))
  const pages = newestFirst.map((run) => {
    const file = join(outDir, 'runs', `${run.id}.html`)
    const body = render.run(runPage(run, answersOf(run.id)))
    replaceFile(file, render.layout({ title: run.name, root: '..', home: true, body }))
    return file
  })
  const index = join(outDir, 'index.html')
  const body = render.leaderboard({
    tables: leaderboard(runs),
    runs: newestFirst.map((run) => ({
      id: run.id,
      href: `runs/${encodeURIComponent(run.id)}.html`,
      started: moment(run.startedAt),
      settings: run.settings.length
    }))
  })
  replaceFile(index, render.layout({ title: 'Model editing leaderboard', root: '.', home: false, body }))
  return { index, pages }
}

/** Templates and styles are not compiled: they lie in the package's own folder. */
const source = (): string => join(packageRoot(), 'reports')

function loadTemplates() {
  const handlebars = Handlebars.create()
  const read = (name: string) => readFileSync(join(source(), 'templates', `${name}.hbs`), 'utf8')
  handlebars.registerPartial('cell', read('cell'))
  // Whatever a template shows is escaped; only the finished body goes into the layout as it is.
  const compile = (name: string) => handlebars.compile(read(name), { strict: true })
  return { layout: compile('layout'), leaderboard: compile('leaderboard'), run: compile('run') }
}

/** Readers never see half a page. */
const replaceFile = (file: string, content: string): void =>
  replaceWhole(file, (temporary) => writeFileSync(temporary, content))
