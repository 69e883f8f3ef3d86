import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import Handlebars from 'handlebars'
import { fileName } from '../harness/file-name'
import { packageRoot } from '../harness/package-root'
import { replaceWhole } from '../harness/replace'
import type { AnswerRow } from '../harness/results/rows'
import type { RunSummary } from '../harness/scoring/types'
import { answersCsv, resultsCsv } from './csv'
import { moment } from './format'
import { leaderboard } from './leaderboard'
import { runPage } from './run-page'

/**
 * Writes the static site of some runs: index.html with the leaderboard, for each run runs/ID.html and all its answers as CSV, and results.csv. All
 * links are relative and the pages whole in themselves, so that they open from disk; their policy lets nothing else be loaded or run.
 */
export async function writeSite(
  outDir: string,
  runs: readonly RunSummary[],
  answersOf: (runId: string) => Iterable<AnswerRow>
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
    replaceFile(file, render.layout({ title: run.name, home: true, body }))
    return file
  })
  const index = join(outDir, 'index.html')
  const body = render.leaderboard({
    tables: leaderboard(runs),
    runs: newestFirst.map((run) => ({
      id: run.id,
      href: `runs/${fileName(run.id)}.html`,
      started: moment(run.startedAt),
      machine: `${run.machine.cpu}, ${run.machine.cores} cores`,
      settings: run.settings.length
    }))
  })
  replaceFile(index, render.layout({ title: 'Model editing leaderboard', home: false, body }))
  return { index, pages }
}

/** Templates and styles are not compiled: they lie in the package's own folder. */
const source = (): string => join(packageRoot(), 'reports')

export function loadTemplates() {
  const handlebars = Handlebars.create()
  const read = (name: string) => readFileSync(join(source(), 'templates', `${name}.hbs`), 'utf8')
  handlebars.registerPartial('cell', read('cell'))
  // Whatever a template shows is escaped; only the finished body goes into the layout as it is.
  const compile = (name: string) => handlebars.compile(read(name), { strict: true })
  const css = readFileSync(join(source(), 'styles', 'site.css'), 'utf8')
  const hash = createHash('sha256').update(css).digest('base64')
  // A style by its hash: what `'self'` means for pages opened from disk differs between browsers.
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  const layout = compile('layout')
  return {
    layout: (page: object) => layout({ ...page, css, policy }),
    leaderboard: compile('leaderboard'),
    run: compile('run'),
    comparison: compile('comparison')
  }
}

/** Readers never see half a page. */
export const replaceFile = (file: string, content: string): void =>
  replaceWhole(file, (temporary) => writeFileSync(temporary, content))
