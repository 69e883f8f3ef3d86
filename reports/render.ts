import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Handlebars from 'handlebars'
import { packageRoot } from '../harness/package-root'
import { replaceWhole } from '../harness/replace'

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
    layout: (page: object) => layout({ home: null, feed: null, ...page, css, policy }),
    leaderboard: compile('leaderboard'),
    run: compile('run'),
    comparison: compile('comparison'),
    history: compile('history'),
    trace: compile('trace'),
    feed: compile('feed')
  }
}

/** Readers never see half a page. */
export const replaceFile = (file: string, content: string): void =>
  replaceWhole(file, (temporary) => writeFileSync(temporary, content))
