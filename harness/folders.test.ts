import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { packageRoot } from './package-root'

/*
 * Dependencies point downwards (CONTRIBUTING.md). The files that lie directly in harness/ are what all folders may use, and use none of them.
 */

const ROOT = packageRoot()

const sources = ['harness', 'methods', 'datasets', 'reports'].flatMap((top) =>
  readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' })
    .map((name) => join(top, name))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.includes('golden'))
)

/** The folder that a file belongs to: those of harness/ are folders of their own. */
function folderOf(file: string): string {
  const [top, next, ...rest] = file.split(/[\\/]/)
  if (top !== 'harness') return top!
  return rest.length === 0 ? 'harness' : `harness/${next}`
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  return [...text.matchAll(/(?:from |import\(|import )'(\.[^']*)'/g)].flatMap(([, path]) => {
    const target = normalize(join(dirname(join(ROOT, file)), path!))
    const found = [`${target}.ts`, join(target, 'index.ts')].find((f) => existsSync(f) && statSync(f).isFile())
    return found === undefined ? [] : [relative(ROOT, found)]
  })
}

const uses = new Map<string, Map<string, string>>()
for (const file of sources)
  for (const target of importsOf(file)) {
    const [from, to] = [folderOf(file), folderOf(target)]
    if (from === to) continue
    const targets = uses.get(from) ?? new Map<string, string>()
    uses.set(from, targets.set(to, `${file} -> ${target}`))
  }

it('finds what is imported', () => {
  expect(sources.length).toBeGreaterThan(150)
  expect(uses.get('harness/edit')?.has('harness/model')).toBe(true)
})

it('has no cycle between folders', () => {
  const done = new Set<string>()
  const visit = (folder: string, path: readonly string[]): void => {
    if (path.includes(folder)) {
      const cycle = [...path.slice(path.indexOf(folder)), folder]
      throw new Error(
        cycle
          .slice(1)
          .map((to, i) => uses.get(cycle[i]!)!.get(to))
          .join('\n')
      )
    }
    if (done.has(folder)) return
    for (const next of uses.get(folder)?.keys() ?? []) visit(next, [...path, folder])
    done.add(folder)
  }
  for (const folder of uses.keys()) visit(folder, [])
})

it.each([
  ['harness/model', ['harness/edit', 'methods', 'datasets', 'harness/scoring']],
  ['harness/edit', ['methods', 'datasets', 'harness/scoring', 'harness/runner']],
  ['harness/results', ['harness/scoring', 'reports', 'methods', 'harness/runner']],
  ['harness/scoring', ['methods', 'reports', 'harness/runner']],
  ['methods', ['harness/runner', 'harness/scoring', 'harness/results', 'reports']],
  ['datasets', ['methods', 'harness/runner', 'harness/scoring', 'harness/model']]
])('%s knows nothing of what is above it', (folder, above) => {
  expect([...(uses.get(folder)?.keys() ?? [])].filter((to) => above.includes(to))).toEqual([])
})
