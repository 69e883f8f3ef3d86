import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Papa from 'papaparse'
import { type Browser, chromium } from 'playwright-core'
import type { AnswerRow } from '../harness/results/rows'
import { BOOK_GRADING } from '../harness/scoring/grade'
import type { Estimate, PropertySummary, RunSummary, SettingSummary } from '../harness/scoring/types'
import { answersCsv, resultsCsv } from './csv'
import { exportResults } from './export'
import { percent } from './format'
import { cellOf, leaderboard } from './leaderboard'
import { writeSite } from './site'

const EVIL = '<script>document.title="owned"</script>'

const estimate = (mean: number): Estimate => ({ mean, low: Math.max(0, mean - 0.05), high: mean, cases: 20 })
const property = (mean: number, grade: PropertySummary['grade']): PropertySummary => ({
  edited: estimate(mean),
  base: estimate(0),
  tokenShare: estimate(mean),
  baseTokenShare: estimate(0),
  ...{ probes: 20, right: 19, longer: 2 },
  grade
})

function setting(method: string, change: Partial<SettingSummary> = {}): SettingSummary {
  return {
    id: `${method}--gptj-mini--zsre`,
    label: method,
    method: {
      name: method,
      title: method.toUpperCase(),
      family: method === 'ft-l' ? 'fine-tuning' : 'locate-then-edit',
      source: 'Somebody 2022',
      holdsMany: method === 'ft-l',
      valuesFrom: `https://example.org/${EVIL}`,
      hyperparameters: { layer: 0 }
    },
    model: { name: 'gptj-mini', hash: 'm'.repeat(64), architecture: 'gptj' },
    dataset: {
      name: 'zsre',
      title: 'zsRE',
      source: 'the embedded world',
      hash: 'd'.repeat(64),
      options: {},
      skipped: { malformed: 0, noEdit: 3 }
    },
    protocol: 'single',
    scoring: { locality_tokens: 8 },
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
        ...{ probes: 20, right: 19, longer: 2 },
        edited: estimate(0.951),
        base: estimate(0),
        tokenShare: estimate(1),
        baseTokenShare: estimate(0)
      }
    ],
    measures: [],
    retention: [],
    efficiency: {
      msPerEdit: { mean: 120, median: 100 },
      together: 10,
      setup: { ms: 5, parts: [{ what: 'second moment', how: 'cached' }] },
      flopsPerEdit: 1e9,
      peakBytes: 2e8,
      bytesPerEdit: 3840,
      holdsMany: method === 'ft-l'
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
  grading: BOOK_GRADING,
  settings
})

const answer: AnswerRow = {
  setting: 'rome--gptj-mini--zsre',
  caseId: 'zsre-1',
  property: 'accuracy',
  kind: 'rewrite',
  prompt: `What is ${EVIL}?`,
  expected: EVIL,
  before: '草',
  after: EVIL,
  probe: 0,
  exactBefore: false,
  exactAfter: true,
  longerAfter: false,
  shareBefore: 0,
  shareAfter: 1,
  scores: {},
  anyOf: null,
  held: 1,
  checkpoint: false
}

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bench-report-'))
  const runs = [
    run('quickstart-1', '2026-01-01T00:00:00Z', [setting('rome'), setting('ft-l')]),
    run('quickstart-2', '2026-02-01T00:00:00Z', [
      setting('rome', { failed: [{ caseId: 'zsre-7', place: 'zsre.json:8', message: `no ${EVIL}` }] })
    ])
  ]
  await writeSite(dir, runs, () => [answer])
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const page = (...path: string[]) => readFileSync(join(dir, ...path), 'utf8')

describe('the leaderboard', () => {
  const [older, newer] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z']
  const rows = (runs: RunSummary[]) =>
    leaderboard(runs).map((t) =>
      t.families.flatMap((f) => f.rows.map((r) => [r.label, r.differs, r.href.split('#')[0]]))
    )
  const withKey = (label: string, key: string) => {
    const base = setting('rome', { label, id: label })
    return { ...base, method: { ...base.method, hyperparameters: { layer: 0, key } } }
  }

  it('shows the newest line of a method, and other methods from older runs', () => {
    const runs = [run('old', older, [setting('rome'), setting('ft-l')]), run('new', newer, [setting('rome')])]
    expect(rows(runs)).toEqual([
      [
        ['ft-l', '', 'runs/old.html'],
        ['rome', '', 'runs/new.html']
      ]
    ])
  })

  it('shows one label with other settings as two lines, told apart by what differs', () => {
    const runs = [run('old', older, [withKey('rome', 'mean')]), run('new', newer, [withKey('rome', 'original')])]
    expect(rows(runs)).toEqual([
      [
        ['rome', 'key mean', 'runs/old.html'],
        ['rome', 'key original', 'runs/new.html']
      ]
    ])
  })

  it('shows one setting under two labels once', () => {
    const runs = [run('old', older, [withKey('mine', 'mean')]), run('new', newer, [withKey('rome', 'mean')])]
    expect(rows(runs)).toEqual([[['rome', '', 'runs/new.html']]])
  })

  const of = (change: Partial<SettingSummary>) => setting('ft-l', change)
  const { dataset, model } = setting('rome')
  it.each<[string, SettingSummary, Partial<RunSummary>, RegExp]>([
    ['other cases', of({ cases: 5, dataset: { ...dataset, hash: 'other' } }), {}, /cases 5, data other/],
    ['other options', of({ dataset: { ...dataset, options: { target: 'answer' } } }), {}, /target answer/],
    ['other weights', of({ model: { ...model, hash: 'w'.repeat(64) } }), {}, /model wwwwwwww/],
    ['another scoring', of({ scoring: { locality_tokens: 4 } }), {}, /locality_tokens 4/],
    ['other cut points', of({}), { grading: { ...BOOK_GRADING, accuracy: { medium: 0.1, high: 0.2 } } }, /^$/]
  ])('never puts lines of %s into one table, and says what differs', (_, other, change, differs) => {
    const tables = leaderboard([run('a', older, [setting('rome')]), { ...run('b', newer, [other]), ...change }])
    expect(tables).toHaveLength(2)
    const own = tables.find((t) => t.families[0]!.rows[0]!.label === 'ft-l')!
    expect(own.differs).toMatch(differs)
  })

  it('never puts unlike protocols into one table, and shows the simplest first', () => {
    const protocols = ['sequential-20, asked at the end', 'batch-10', 'single', 'sequential-20, asked at once']
    const settings = protocols.map((protocol) => setting('rome', { protocol, id: protocol }))
    const tables = leaderboard([run('a', older, settings)])
    expect(tables.map((t) => t.differs.replace('protocol ', ''))).toEqual([
      'single',
      'batch-10',
      'sequential-20, asked at the end',
      'sequential-20, asked at once'
    ])
  })

  it('has no grade where a property has none', () => {
    const { grade: _, ...ungraded } = property(0.42, 'low')
    expect(cellOf(ungraded)).toMatchObject({ measured: true, grade: '', gradeTitle: '', value: '42.0' })
  })

  it('gives number, interval and grade, and a dash where nothing was measured', () => {
    const html = page('index.html')
    expect(html).toMatch(/95\.1/)
    expect(html).toMatch(/High[\s\S]*Medium[\s\S]*Low/)
    expect(html).toContain('not measured')
    expect(html).toMatch(/title="one edit can hold many facts">✓/)
    expect(html).toMatch(/title="one fact an edit">✗/)
    expect(html).toMatch(/n 20/)
    expect(html).toContain('medium and high from, in percent: accuracy 20.5 and 75.0, generality')
    expect(html).toContain('records that change nothing left out 3')
    expect(html).toMatch(/2026-02-01, A CPU, 2 cores, onnxruntime/)
  })
})

describe('a sequence', () => {
  const retention = [1, 10].map((after) => ({
    after,
    properties: { accuracy: { edited: estimate(1 / after), base: estimate(0), tokenShare: estimate(1) } },
    measures: [
      {
        ...{ name: 'general-text', title: 'General text', unit: 'number' as const, headline: true },
        values: [{ property: 'locality' as const, label: 'bits a byte', edited: estimate(after), base: estimate(0.25) }]
      }
    ]
  }))

  it('is drawn as curves of what was measured, with its numbers beside them', async () => {
    const at = mkdtempSync(join(tmpdir(), 'bench-retention-'))
    const settings = [setting('rome', { protocol: 'sequential-10, asked at the end', retention }), setting('ft-l')]
    const { pages } = await writeSite(at, [run('seq', '2026-01-01T00:00:00Z', settings)], () => [answer])
    const html = readFileSync(pages[0]!, 'utf8')
    expect(html.match(/<svg class="chart"/g)).toHaveLength(1)
    expect(html).toContain('<title>accuracy after 10: 10.0 % (5.0–10.0)</title>')
    expect(html).toMatch(/<tr><th scope="row">10<\/th><td class="n">10\.0 <span class="quiet">5\.0–10\.0<\/span>/)
    expect(html).toContain('<th scope="col">General text: bits a byte</th>')
    expect(html).toMatch(/<tr><th scope="row">0<\/th><td class="n"><\/td><td class="n">0\.250<\/td><\/tr>/)
    expect(html).toMatch(/<tr><th scope="row">10<\/th>.*<td class="n">10\.0 <span class="quiet">/)
    expect(html).not.toContain('class="curve generality"')
    expect(html).toContain('zsRE, sequential-10, asked at the end</h2>')
    rmSync(at, { recursive: true })
  })
})

it('shows a measure of a property that has no right answers, beside the dash', async () => {
  const at = mkdtempSync(join(tmpdir(), 'bench-measure-'))
  const fluency = {
    ...{ name: 'fluency', title: 'Fluency', unit: 'number' as const, headline: true },
    values: [{ property: 'portability' as const, label: 'fluency', edited: estimate(6.03), base: estimate(6) }]
  }
  const runs = [run('written', '2026-01-01T00:00:00Z', [setting('rome', { measures: [fluency] })])]
  const { index } = await writeSite(at, runs, () => [answer])
  const html = readFileSync(index, 'utf8')
  expect(html).toContain('has no such question">–<span class="details">fluency 6.03</span></td>')
  rmSync(at, { recursive: true })
})

it('escapes everything that comes from data', () => {
  for (const file of ['index.html', join('runs', 'quickstart-1.html'), join('runs', 'quickstart-2.html')]) {
    expect(page(file)).not.toContain('<script>document')
  }
  expect(page('runs', 'quickstart-2.html')).toContain('&lt;script&gt;')
  expect(page('runs', 'quickstart-2.html')).toMatch(/zsre-7<\/code> <span class="quiet">zsre\.json:8<\/span> no &lt;/)
  expect(page('runs', 'quickstart-2.html')).toContain('Published values: https://example.org/&lt;script')
})

it('links nothing outside its own folder', () => {
  for (const file of [
    'index.html',
    ...readdirSync(join(dir, 'runs'))
      .filter((f) => f.endsWith('.html'))
      .map((f) => join('runs', f))
  ]) {
    for (const [, link] of page(file).matchAll(/(?:href|src)="([^"]*)"/g)) {
      expect(link).not.toMatch(/^(https?:)?\/\//)
      const [path = ''] = link!.split('#')
      if (path !== '') expect(existsSync(join(dir, file, '..', decodeURIComponent(path)))).toBe(true)
    }
  }
})

it('writes all numbers as CSV, empty where nothing was measured, and no formulas', () => {
  const [header, ...rows] = page('results.csv').trim().split('\n')
  expect(header).toMatch(/^run,started,label,method,hyperparameters,.*,accuracy_exact_match,accuracy_exact_match_low95/)
  expect(rows).toHaveLength(3)
  const [first] = Papa.parse<Record<string, string>>(page('results.csv'), { header: true }).data
  expect(first!.portability_exact_match).toBe('')
  expect(first!.accuracy_edits).toBe('20')
})

it.each(['=1+1', '=1+1\nmore', ' @SUM(A1)', '+1', '\t=1', '＝1+1'])('no text becomes a formula: %j', (text) => {
  for (const csv of [
    resultsCsv([run('a', '', [setting(text)])]),
    [...answersCsv([{ ...answer, after: text }])].join('')
  ]) {
    const cells = Papa.parse<string[]>(csv)
      .data.flat()
      .filter((cell) => cell.includes(text))
    expect(cells.length).toBeGreaterThan(0)
    for (const cell of cells.filter((c) => !c.startsWith('{') && !c.includes('--'))) expect(cell).toBe(`'${text}`)
  }
})

it('writes every answer of a run beside its page', () => {
  const many = Array.from({ length: 12_000 }, (_, i) => ({ ...answer, caseId: String(i) }))
  const { data } = Papa.parse<Record<string, string>>([...answersCsv(many)].join('').trim(), { header: true })
  expect(data).toHaveLength(12_000)
  expect(data.at(-1)!.case).toBe('11999')
  expect(page('runs', 'quickstart-1.html')).toContain('href="quickstart-1.answers.csv"')
  expect(page('runs', 'quickstart-1.answers.csv')).toContain('edited_model_says')
})

it('shows kinds that are reported apart, and what the unedited model knew, beside their property and in the CSV', async () => {
  const at = mkdtempSync(join(tmpdir(), 'bench-apart-'))
  const { grade: _, ...shares } = property(0.42, 'low')
  const known = { known: estimate(0.75), edited: estimate(0.25) }
  const own = setting('rome', {
    properties: { locality: property(0.9, 'high'), portability: { ...property(0.2, 'low'), granted: known } },
    kinds: [
      { ...shares, property: 'locality', kind: 'same-last-part' },
      { ...shares, property: 'portability', kind: 'subject-alias', granted: known }
    ]
  })
  const runs = [run('apart', '2026-01-01T00:00:00Z', [own])]
  const { index, pages } = await writeSite(at, runs, () => [answer])
  const cells = readFileSync(index, 'utf8').match(/<td class="cell.*?<\/td>/g)!
  expect(cells[2]).toContain('base knows 75.0: 25.0')
  expect(cells[3]).toContain('same last part 42.0')
  expect(readFileSync(pages[0]!, 'utf8')).toContain('<td class="n">75.0</td><td class="n">25.0</td></tr>')
  const [line] = Papa.parse<Record<string, string>>(resultsCsv(runs), { header: true }).data
  expect(line).toMatchObject({
    same_last_part_exact_match: '0.42',
    portability_base_knows: '0.75',
    portability_exact_match_where_known: '0.25'
  })
  rmSync(at, { recursive: true })
})

describe('tables for papers', () => {
  const better = { accuracy: property(0.97, 'high'), generality: property(0.4, 'low') }
  const runs = [run('a', '', [setting('rome'), setting('ft-l', { label: 'ft_l & 5%|', properties: better })])]

  it('are Markdown with the best of each column in bold', async () => {
    const lines = String(await exportResults('markdown', runs)).split('\n')
    expect(lines[0]).toMatch(/^gptj-mini on zsRE \(.*cases 20.*\): exact match in percent/)
    expect(lines.slice(2, 6)).toEqual([
      '| Method | Accuracy | Generality | Portability | Locality | Time per fact |',
      '| --- | ---: | ---: | ---: | ---: | ---: |',
      '| ft\\_l & 5%\\| | **97.0** (92.0–97.0) | **40.0** (35.0–40.0) | – | – | 100 ms |',
      '| rome | 95.1 (90.1–95.1) | **40.0** (35.0–40.0) | – | 10.0 (5.0–10.0) | 100 ms |'
    ])
    const same = await exportResults('markdown', [run('a', '', [setting('rome')])])
    expect(String(same)).toContain('| unedited model | 0.0 | 0.0 | – | 0.0 | – |\n')
  })

  it('are LaTeX for booktabs, with every character that LaTeX would act on written out', async () => {
    const latex = String(await exportResults('latex', runs))
    expect(latex).toContain('\\begin{tabular}{lrrrrr}\n\\toprule\nMethod & Accuracy')
    expect(latex).toContain(
      '\nft\\_l \\& 5\\%| & \\textbf{97.0} {\\scriptsize (92.0--97.0)} & \\textbf{40.0} {\\scriptsize (35.0--40.0)} & -- & -- & 100 ms \\\\\n'
    )
    expect(latex).toContain('locality\\_tokens 8')
    expect(latex.match(/\\midrule/g)).toHaveLength(2)
  })
})

it('shows no minus before zero', () => {
  expect([percent(-0.0004), percent(0), percent(-0.25)]).toEqual(['0.0', '0.0', '−25.0'])
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
      // The policy lets nothing run, whatever got into the page.
      const ran = await tab.evaluate(
        `(s => { s.textContent = 'window.ran = 1'; document.body.append(s); return window.ran })(document.createElement('script'))`
      )
      expect(ran).toBeUndefined()
      expect(problems.splice(0)).toEqual([expect.stringContaining('Content Security Policy')])
      // A table wider than the page scrolls by keyboard.
      const region = tab.getByRole('region').first()
      await region.focus()
      await tab.keyboard.press('ArrowRight')
      const scrolled = () => tab.evaluate(`document.querySelector('[role=region]').scrollLeft > 0`)
      while (!(await scrolled())) await tab.waitForTimeout(20)
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
