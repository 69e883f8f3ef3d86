import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, chromium } from 'playwright-core'
import type { AnswerView, Estimate, PropertySummary, RunSummary, SettingSummary } from '../harness/results/types'
import { resultsCsv } from './csv'
import { leaderboard } from './leaderboard'
import { writeSite } from './site'

const EVIL = '<script>document.title="owned"</script>'

const estimate = (mean: number): Estimate => ({ mean, low: Math.max(0, mean - 0.05), high: mean, cases: 20 })
const property = (mean: number, grade: PropertySummary['grade']): PropertySummary => ({
  edited: estimate(mean),
  base: estimate(0),
  tokenShare: estimate(mean),
  baseTokenShare: estimate(0),
  grade
})

function setting(method: string, change: Partial<SettingSummary> = {}): SettingSummary {
  return {
    id: `${method}--gptj-mini--zsre`,
    method: {
      name: method,
      title: method.toUpperCase(),
      family: method === 'ft-l' ? 'fine-tuning' : 'locate-then-edit',
      source: 'Somebody 2022',
      hyperparameters: { layer: 0 }
    },
    model: { name: 'gptj-mini', hash: 'm'.repeat(64), architecture: 'gptj' },
    dataset: { name: 'zsre', title: 'zsRE', source: 'the embedded world', hash: 'd'.repeat(64), skipped: 0 },
    cases: 20,
    failed: [],
    properties: {
      accuracy: property(0.951, 'high'),
      generality: property(0.4, 'medium'),
      locality: property(0.1, 'low')
    },
    kinds: [
      {
        property: 'accuracy',
        kind: 'rewrite',
        probes: 20,
        edited: estimate(0.951),
        base: estimate(0),
        tokenShare: estimate(1),
        baseTokenShare: estimate(0)
      }
    ],
    efficiency: {
      msPerEdit: { mean: 120, median: 100 },
      setupMs: 5,
      flopsPerEdit: 1e9,
      peakBytes: 2e8,
      bytesPerEdit: 3840,
      supportsBatch: method === 'ft-l'
    },
    ...change
  }
}

const run = (id: string, startedAt: string, settings: readonly SettingSummary[]): RunSummary => ({
  id,
  name: 'quickstart',
  startedAt,
  seconds: 60,
  seed: 0,
  version: '0.1.0',
  gitCommit: undefined,
  machine: {
    cpu: 'A CPU',
    cores: 2,
    memoryBytes: 24e9,
    platform: 'linux x64',
    node: 'v22.0.0',
    backend: 'onnxruntime',
    workers: 2
  },
  settings
})

const answer: AnswerView = {
  settingId: 'rome--gptj-mini--zsre',
  caseId: 'zsre-1',
  property: 'accuracy',
  kind: 'rewrite',
  prompt: `What is ${EVIL}?`,
  expected: EVIL,
  before: '草',
  after: EVIL,
  correctBefore: false,
  correctAfter: true
}

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bench-report-'))
  const runs = [
    run('quickstart-1', '2026-01-01T00:00:00Z', [setting('rome'), setting('ft-l')]),
    run('quickstart-2', '2026-02-01T00:00:00Z', [
      setting('rome', { failed: [{ caseId: 'zsre-7', message: `no ${EVIL}` }] })
    ])
  ]
  await writeSite(dir, runs, () => [answer])
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const page = (...path: string[]) => readFileSync(join(dir, ...path), 'utf8')

describe('the leaderboard', () => {
  it('shows the newest line of a method, and other methods from older runs', () => {
    const [table, ...more] = leaderboard([
      run('old', '2026-01-01T00:00:00Z', [setting('rome'), setting('ft-l')]),
      run('new', '2026-02-01T00:00:00Z', [setting('rome')])
    ])
    expect(more).toEqual([])
    expect(table!.families.flatMap((f) => f.rows.map((r) => [f.title, r.method, r.runId]))).toEqual([
      ['Fine-tuning', 'ft-l', 'old'],
      ['Locate, then edit', 'rome', 'new']
    ])
  })

  it('never puts lines of other cases into one table', () => {
    const other = setting('ft-l', { cases: 5, dataset: { ...setting('rome').dataset, hash: 'other' } })
    expect(leaderboard([run('a', '2026-01-01T00:00:00Z', [setting('rome'), other])])).toHaveLength(2)
  })

  it('gives number, interval and grade, and a dash where nothing was measured', () => {
    const html = page('index.html')
    expect(html).toMatch(/95\.1/)
    expect(html).toMatch(/High[\s\S]*Medium[\s\S]*Low/)
    expect(html).toContain('not measured')
    expect(html).toMatch(/title="one edit can hold many facts">✓/)
    expect(html).toMatch(/title="one fact an edit">✗/)
  })
})

it('escapes everything that comes from data', () => {
  for (const file of ['index.html', join('runs', 'quickstart-1.html'), join('runs', 'quickstart-2.html')]) {
    expect(page(file)).not.toContain('<script>document')
  }
  expect(page('runs', 'quickstart-2.html')).toContain('&lt;script&gt;')
})

it('links nothing outside its own folder', () => {
  for (const file of ['index.html', ...readdirSync(join(dir, 'runs')).map((f) => join('runs', f))]) {
    for (const [, link] of page(file).matchAll(/(?:href|src)="([^"]*)"/g)) {
      expect(link).not.toMatch(/^(https?:)?\/\//)
      const [path = ''] = link!.split('#')
      if (path !== '') expect(existsSync(join(dir, file, '..', decodeURIComponent(path)))).toBe(true)
    }
  }
})

it('writes all numbers as CSV, empty where nothing was measured, and no formulas', () => {
  const [header, ...rows] = page('results.csv').trim().split('\n')
  expect(header).toMatch(/^run,started,method,family,model,dataset,source,cases,failed,accuracy,accuracy_low/)
  expect(rows).toHaveLength(3)
  const column = header!.split(',').indexOf('portability')
  expect(rows[0]!.split(',')[column]).toBe('')
  const evil = setting('=1+1')
  expect(resultsCsv([run('a', '', [evil])])).toContain(`,"'=1+1",`)
})

describe('in a browser', () => {
  const found = [process.env.CHROME_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
    .concat('/Applications/Google Chrome.app/Contents/MacOS/Google Chrome')
    .find((path) => path !== undefined && existsSync(path))
  // On a machine of a user a missing browser is no mistake; where the project is checked it is.
  const opens = found === undefined && process.env.CI !== 'true' ? test.skip : test
  let browser: Browser
  afterAll(async () => browser?.close())

  opens('the pages open from disk, run no script of the data, and fit a phone in light and dark', async () => {
    if (found === undefined) throw new Error('no Chromium here: install one, or name it by CHROME_PATH')
    browser = await chromium.launch({ executablePath: found, args: ['--no-sandbox'] })
    for (const colorScheme of ['light', 'dark'] as const) {
      const tab = await browser.newPage({ colorScheme, viewport: { width: 390, height: 800 } })
      const problems: string[] = []
      tab.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
      tab.on('requestfailed', (request) => problems.push(request.url()))
      tab.on('request', (request) => !request.url().startsWith('file:') && problems.push(request.url()))
      await tab.goto(pathToFileURL(join(dir, 'index.html')).href)
      expect(await tab.title()).toBe('Model editing leaderboard')
      const wide = () => tab.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
      expect(await wide()).toBeLessThanOrEqual(0)
      const colours = (await tab.evaluate(
        '(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))'
      )) as string[]
      const light = (c: string) => (c.match(/\d+/g) ?? []).slice(0, 3).reduce((sum, n) => sum + Number(n), 0)
      expect(light(colours[0]!) < light(colours[1]!)).toBe(colorScheme === 'light')
      await tab.getByRole('link', { name: 'rome' }).first().click()
      await tab.waitForURL(/quickstart-2\.html#rome/)
      expect(await tab.title()).not.toBe('owned')
      await tab.locator('summary').first().click()
      expect(await tab.getByText('document.title').first().isVisible()).toBe(true)
      expect(await wide()).toBeLessThanOrEqual(0)
      expect(problems).toEqual([])
      await tab.close()
    }
  })
})
