import type { Setting } from '../results/manifest'
import { MEASURES } from '../scoring/measures'
import { type HistoryRun, historyOf } from './history'
import { seriesCells, stepsOf, stepText, worsens } from './history-text'
import { measuredValues } from './measured'

const setting = (change: Partial<Setting> = {}): Setting => ({
  id: 's',
  label: 'rome',
  method: { name: 'rome', title: 'ROME', family: '', source: '', holdsMany: false, hyperparameters: { steps: 40 } },
  model: { name: 'm', hash: 'aaaaaaaaaaaa', architecture: '' },
  dataset: { name: 'd', title: '', source: '', hash: 'x', options: {}, skipped: { malformed: 0, noEdit: 0 } },
  protocol: { kind: 'single', oneByOne: false },
  measures: [],
  scoring: {},
  ...change
})
const MACHINE = { cpu: 'A', cores: 2, memoryBytes: 1, platform: 'x', node: 'v20', backend: 'b', workers: 2 }

/** Night n, in which so many of 40 cases are right. */
function night(n: number, right: number, change: Partial<HistoryRun> = {}, of: Partial<Setting> = {}): HistoryRun {
  const shares = new Map(Array.from({ length: 40 }, (_, i) => [`c${i}`, Number(i < right)]))
  const line = {
    setting: setting(of),
    protocol: 'single',
    shares: new Map<string, Map<string, number>>(),
    measured: [],
    ms: 100
  }
  line.shares.set('accuracy', shares)
  return {
    ...{ id: `run-${n}`, name: 'nightly', startedAt: `2026-01-${String(n).padStart(2, '0')}T03:00:00Z`, version: '1' },
    ...{ gitCommit: 'c0ffee00', machine: MACHINE, passed: true, lines: [line] },
    ...change
  }
}

it('lays runs in order of time, and names what changed where a line steps', () => {
  const broken = { gitCommit: 'deadbeef', passed: false }
  const history = historyOf([night(4, 20, broken), night(1, 40), night(3, 20, broken), night(2, 40)])
  expect(history.runs.map((r) => [r.id, r.passed])).toEqual([
    ['run-1', true],
    ['run-2', true],
    ['run-3', false],
    ['run-4', false]
  ])
  const [accuracy, time] = history.series
  expect(accuracy!.points.map((p) => [p.run, p.value])).toEqual([
    ['run-1', 1],
    ['run-2', 1],
    ['run-3', 0.5],
    ['run-4', 0.5]
  ])
  expect(accuracy!.points[0]!.interval!.low).toBeLessThan(1)
  expect(time).toMatchObject({ what: 'time', machine: 'A, 2 cores, x, b, 2 workers', steps: [] })
  const [{ run, series, step }, ...more] = stepsOf(history) as [ReturnType<typeof stepsOf>[number]]
  expect(more).toEqual([])
  expect(run.id).toBe('run-3')
  expect(worsens(series, step)).toBe(true)
  expect(stepText(series, step)).toBe(
    'rome on m, d: accuracy 100.0 → 50.0 % (20 edits lost, 0 won, p < 0.001); changed: commit c0ffee00 → deadbeef'
  )
  expect(seriesCells(accuracy!)).toEqual(['rome on m, d', 'accuracy', '4', '100.0', '50.0', '100.0', '50.0', '██▁▁'])
})

it('goes on when the method, its weights or its version change, and names them; not when the questions do', () => {
  const method = { ...setting().method, hyperparameters: { steps: 4 } }
  const changed = historyOf([
    night(1, 40),
    night(2, 20, { version: '2' }, { method, model: { ...setting().model, hash: 'bbbbbbbbbbbb' } })
  ])
  expect(changed.series[0]!.steps[0]!.changed).toEqual(['version 1 → 2', 'weights aaaaaaaa → bbbbbbbb', 'steps 40 → 4'])
  const data = historyOf([night(1, 40), night(2, 20, {}, { dataset: { ...setting().dataset, hash: 'y' } })])
  expect(data.series.map((s) => [s.what, s.points.length])).toEqual([
    ['accuracy', 1],
    ['accuracy', 1],
    ['time', 1],
    ['time', 1]
  ])
})

it('lays times of unlike machines on lines of their own', () => {
  const history = historyOf([night(1, 40), night(2, 40, { machine: { ...MACHINE, cpu: 'B' } })])
  expect(history.series.map((s) => [s.what, s.points.length])).toEqual([
    ['accuracy', 2],
    ['time', 1],
    ['time', 1]
  ])
})

it('follows measures too, by their own sense of better', () => {
  const measure = MEASURES.find((m) => m.name === 'divergence')!
  const night2 = (n: number, kl: number): HistoryRun => {
    const run = night(n, 40)
    const values = new Map(Array.from({ length: 40 }, (_, i) => [`c${i}`, kl + i / 1000]))
    return { ...run, lines: run.lines.map((l) => ({ ...l, measured: [{ measure, what: 'locality, KL', values }] })) }
  }
  const history = historyOf([night2(1, 0.1), night2(2, 0.1), night2(3, 0.9), night2(4, Number.POSITIVE_INFINITY)])
  const kl = history.series.find((s) => s.what === 'locality, KL')!
  expect(kl).toMatchObject({ unit: 'number', higherIsBetter: false, machine: null })
  expect(kl.points[0]!.value).toBeCloseTo(0.1195, 6)
  const [step] = kl.steps
  expect(step).toMatchObject({ at: 2, run: 'run-3' })
  expect(worsens(kl, step!)).toBe(true)
  expect(stepText(kl, step!)).toContain('locality, KL 0.12 → 0.919 (40 edits lost, 0 won')
})

it('reads measures from answers case by case: the best of their ways, of the kinds they are about', () => {
  const rows = [
    {
      caseId: 'a',
      property: 'portability',
      kind: 'multi-hop',
      anyOf: 'q',
      exactAfter: false,
      shareAfter: 0,
      scores: {}
    },
    {
      caseId: 'a',
      property: 'portability',
      kind: 'multi-hop',
      anyOf: 'q',
      exactAfter: true,
      shareAfter: 0,
      scores: {}
    },
    {
      caseId: 'a',
      property: 'locality',
      kind: 'k',
      anyOf: null,
      exactAfter: true,
      shareAfter: 0,
      scores: { 'kl.after': 2 }
    },
    {
      caseId: 'b',
      property: 'locality',
      kind: 'general-text',
      anyOf: null,
      exactAfter: true,
      shareAfter: 0,
      scores: { 'kl.after': 9 }
    },
    {
      caseId: 'b',
      property: 'generality',
      kind: 'generation',
      anyOf: null,
      exactAfter: false,
      shareAfter: 0,
      scores: { 'entropy.after': 5 }
    }
  ]
  const column = (key: keyof (typeof rows)[number]) => ({ get: (i: number) => rows[i]![key] })
  const answers = {
    length: rows.length,
    ...Object.fromEntries(Object.keys(rows[0]!).map((k) => [k, column(k as keyof (typeof rows)[number])]))
  } as unknown as Parameters<typeof measuredValues>[1]
  const found = measuredValues(['multi-hop-mean', 'divergence', 'fluency'], answers, [0, 1, 2, 3, 4])
  expect(found.map(({ what, values }) => [what, [...values]])).toEqual([
    ['locality, KL', [['a', 2]]],
    ['portability, mean of all ways', [['a', 0.5]]],
    ['generality, fluency', [['b', 5]]]
  ])
})
