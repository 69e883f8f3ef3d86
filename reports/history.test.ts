import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { History, Series } from '../harness/compare/history'
import { writeFeed } from './feed'
import { writeHistory } from './history'

const EVIL = '<script>document.title="owned"</script>'
const MACHINE = { cpu: 'A', cores: 2, memoryBytes: 1, platform: 'x', node: 'v20', backend: 'b', workers: 2 }

const runs = [1, 2, 3].map((n) => ({
  ...{ id: `nightly-${n}`, name: 'nightly', startedAt: `2026-01-0${n}T03:00:00.000Z`, version: '1' },
  ...{ gitCommit: undefined, machine: MACHINE, passed: n < 3 }
}))
const about = { label: EVIL, model: 'm', dataset: 'd', protocol: 'single' }
const shares: Series = {
  ...({ ...about, what: 'locality', unit: 'share', higherIsBetter: true, machine: null } as const),
  points: [1, 1, 0.5].map((value, i) => ({ run: runs[i]!.id, value, interval: { low: value - 0.1, high: value } })),
  steps: [{ at: 2, before: 1, after: 0.5, p: 0.01, lost: 9, won: 0, run: 'nightly-3', changed: ['version 1 → 2'] }]
}
const times: Series = {
  ...({ ...about, what: 'time', unit: 'ms', higherIsBetter: false, machine: 'A, 2 cores' } as const),
  points: [90, 91, 140].map((value, i) => ({ run: runs[i]!.id, value, interval: null })),
  steps: []
}
const history: History = { name: 'nightly', runs, series: [shares, times] }

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-history-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it('draws shares and times apart, marks steps and failed gates, and links what is there', () => {
  const file = join(dir, 'history.html')
  writeHistory(file, [history], { hrefOf: (id) => `runs/${id}.html`, home: 'index.html', feed: 'feed.xml' })
  const html = readFileSync(file, 'utf8')
  expect(html.match(/<svg class="chart"/g)).toHaveLength(2)
  expect(html.match(/<line class="mark"/g)).toHaveLength(1)
  expect(html.match(/<circle class="bad"/g)).toHaveLength(2)
  expect(html).toContain('<title>2026-01-03 nightly-3: locality 50.0, its gate failed</title>')
  expect(html).toContain('locality 100.0 → 50.0 % (9 edits lost, 0 won, p 0.010); changed: version 1 → 2')
  expect(html).toContain('Gates that failed: <a href="runs/nightly-3.html">2026-01-03</a>')
  expect(html).toContain('median time per fact, ms (A, 2 cores)')
  expect(html).toContain('type="application/atom+xml" title="History" href="feed.xml"')
  expect(html).not.toContain('<script>')
  writeHistory(file, [history])
  expect(readFileSync(file, 'utf8')).not.toContain('href')
})

it('feeds what stepped or failed, each under an id that stays', () => {
  const feed = () => {
    writeFeed(join(dir, 'feed.xml'), [history], { hrefOf: (id) => `runs/${id}.html`, self: 'f.xml', page: 'h.html' })
    return readFileSync(join(dir, 'feed.xml'), 'utf8')
  }
  const xml = feed()
  expect(xml.match(/<entry>/g)).toHaveLength(1)
  expect(xml).toContain('<title>nightly 2026-01-03: gate failed, 1 worse</title>')
  expect(xml).toContain('<updated>2026-01-03T03:00:00.000Z</updated>')
  expect(xml).toContain('<link rel="alternate" type="text/html" href="runs/nightly-3.html"/>')
  expect(xml).toContain('&lt;script&gt;')
  const ids = [...xml.matchAll(/<id>(urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12})<\/id>/g)]
  expect(new Set(ids.map(([, id]) => id)).size).toBe(2)
  expect(feed()).toBe(xml)
})
