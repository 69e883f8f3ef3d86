import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { packageRoot } from './package-root'

/** Does what CONTRIBUTING.md says, word for word, in a copy of the project: writes its files, changes its lines, compiles, checks and runs. */

const ROOT = packageRoot()
const FENCE = /^```(ts|diff|yaml|json) (\S+)\n([\s\S]*?)^```$/gm
const fences = [...readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8').matchAll(FENCE)].map(([, kind, file, text]) => ({
  kind: kind!,
  file: file!,
  text: text!
}))

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-contributing-'))
  const parts = [
    'harness',
    'methods',
    'datasets',
    'reports',
    'configs',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json'
  ]
  for (const part of parts) cpSync(join(ROOT, part), join(dir, part), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  mkdirSync(join(dir, 'dist'))
  cpSync(join(ROOT, 'dist', 'tfjs-gradients.js'), join(dir, 'dist', 'tfjs-gradients.js'))
  for (const { kind, file, text } of fences) {
    const path = join(dir, file)
    mkdirSync(dirname(path), { recursive: true })
    if (kind === 'diff') applyDiff(path, text)
    else {
      if (existsSync(path)) throw new Error(`${file} is there already`)
      writeFileSync(path, text)
    }
  }
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Replaces each run of lines that begin with - by the lines with + that follow it. The text must stand once in the file. */
function applyDiff(path: string, text: string): void {
  let content = readFileSync(path, 'utf8')
  for (const [, before, after] of text.matchAll(/((?:^-.*\n)+)((?:^\+.*\n)+)/gm)) {
    const [find, put] = [before!, after!].map((lines) => lines.trimEnd().replace(/^[-+]/gm, ''))
    if (content.split(find!).length !== 2) throw new Error(`'${find}' does not stand once in ${path}`)
    content = content.replace(find!, () => put!)
  }
  writeFileSync(path, content)
}

const bench = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const program = [join(dir, 'dist', 'harness', 'cli', 'main.js')]
    const env = { ...process.env, BENCH_CACHE: join(dir, 'cache') }
    execFile(process.execPath, [...program, ...args], { cwd: dir, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    )
  })

it('adds a kind, a method, a measure and a dataset, each a file or folder and a line', () => {
  const changed = fences.filter((f) => f.kind === 'diff')
  expect(changed).toHaveLength(4)
  // One import and one place in a list.
  for (const { text } of changed) expect(text.match(/^-/gm)).toHaveLength(2)
})

it('compiles', () => {
  const tsc = join(ROOT, 'node_modules', '.bin', 'tsc')
  expect(() => execFileSync(tsc, ['-p', 'tsconfig.build.json'], { cwd: dir, stdio: 'pipe' })).not.toThrow()
})

it('runs what it adds, and keeps what every method and dataset promises', async () => {
  const { code, stdout, stderr } = await bench('run', 'try.yaml', '--out', 'runs', '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('1/1 edits') })
  const [result] = JSON.parse(stdout).results
  expect(result).toMatchObject({ method: 'favour', dataset: 'lines', cases: 1, failed: 0, accuracy: 1 })
  expect(result.trainingMs).toBeGreaterThan(0)
  expect(result.measures.accuracy).toBeGreaterThan(0.5)
  const checks = await Promise.all([
    bench('verify', 'method', 'favour'),
    bench('verify', 'dataset', 'lines', '--source', 'sample.json')
  ])
  for (const { code: rc, stdout: said } of checks)
    expect({ code: rc, said }).toEqual({ code: 0, said: expect.not.stringContaining('✗') })
  const plan = await bench('check', 'try.yaml', '--json')
  expect(JSON.parse(plan.stdout).settings[0].hyperparameters).toEqual({ strength: 30 })
})
