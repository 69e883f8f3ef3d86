import type { Property } from '../../datasets/types'
import { randomStream } from '../random'
import { columnsOf } from '../results/columns'
import type { Setting } from '../results/manifest'
import type { AnswerRow, EditRow } from '../results/rows'
import { type ComparedRun, compareRuns, type PropertyComparison } from './compare'
import { ANSWER_COLUMNS } from './rows'
import { comparisonMarkdown, conclusion } from './text'

const setting = (change: Partial<Setting> = {}): Setting => ({
  id: 's',
  label: 'rome',
  method: { name: 'rome', title: 'ROME', family: '', source: '', holdsMany: false, hyperparameters: {} },
  model: { name: 'm', hash: '', architecture: '' },
  dataset: { name: 'd', title: '', source: '', hash: '', options: {}, skipped: { malformed: 0, noEdit: 0 } },
  protocol: { kind: 'single', oneByOne: false },
  measures: [],
  scoring: { locality_tokens: 8 },
  ...change
})
const answer = (caseId: string, exactAfter: boolean, change: Partial<AnswerRow> = {}): AnswerRow => ({
  ...{
    setting: 's',
    caseId,
    probe: 0,
    property: 'accuracy',
    kind: 'rewrite',
    prompt: `${caseId}?`,
    expected: 'yes',
    before: 'no'
  },
  ...{ after: exactAfter ? 'yes' : 'no', exactBefore: false, exactAfter, longerAfter: false, shareBefore: 0 },
  ...{ shareAfter: Number(exactAfter), scores: {}, anyOf: null, held: 1, checkpoint: false },
  ...change
})
const edit = (caseId: string, change: Partial<EditRow> = {}): EditRow => ({
  ...{
    setting: 's',
    caseId,
    prompt: `${caseId} is`,
    subject: caseId,
    target: 'yes',
    place: '',
    facts: 1,
    position: 0,
    editMs: 10
  },
  ...{ together: 1, flops: 5, peakBytes: 7, editBytes: 3, lossCurve: [], diagnostics: '{}', error: null },
  ...change
})
const MACHINE = { cpu: 'A', cores: 2, memoryBytes: 1, platform: 'x', node: 'v20', backend: 'b', workers: 2 }
const columns = (answers: readonly AnswerRow[]) => columnsOf(answers, ANSWER_COLUMNS)
const run = (answers: readonly AnswerRow[], change: Partial<ComparedRun> = {}): ComparedRun => ({
  id: 'run',
  startedAt: '',
  machine: MACHINE,
  settings: [setting()],
  answers: columns(answers),
  edits: [...new Set(answers.map((a) => a.caseId))].map((id) => edit(id)),
  ...change
})
const some = (n: number, right: (i: number) => boolean) =>
  Array.from({ length: n }, (_, i) => answer(`c${i}`, right(i)))

it('a run against itself is the same everywhere', () => {
  const own = run([
    ...some(50, (i) => i % 3 > 0),
    ...some(50, (i) => i % 4 > 0).map((r) => ({ ...r, property: 'locality' as const }))
  ])
  const comparison = compareRuns(own, own)
  expect(comparison.verdict).toBe('same')
  expect(comparison.properties.map((c) => [c.property, c.verdict, c.difference!.mean, c.lost, c.won, c.p])).toEqual([
    ['accuracy', 'same', 0, 0, 0, 1],
    ['locality', 'same', 0, 0, 0, 1]
  ])
  expect(comparison.flips).toEqual([])
  expect(comparison.efficiency.every((e) => e.ratio === 1)).toBe(true)
})

it('what is lost is worse, named case by case, those that lost most first', () => {
  const base = run(
    some(40, () => true),
    { id: 'base' }
  )
  const after = run(some(40, (i) => i > 11).map((r, i) => (i === 3 ? { ...r, shareAfter: 0.5 } : r)))
  const comparison = compareRuns(base, after)
  const [accuracy] = comparison.properties
  expect(accuracy).toMatchObject({ verdict: 'worse', base: 1, run: 0.7, cases: 40, lost: 12, won: 0 })
  expect(accuracy!.p).toBeCloseTo(2 / 2 ** 12, 12)
  expect(accuracy!.difference!.high).toBeLessThan(-0.1)
  expect(comparison.flipped).toEqual({ lost: 12, won: 0 })
  expect(comparison.flips.at(-1)).toMatchObject({ caseId: 'c3', base: 'yes', run: 'no', lost: true })
  expect(compareRuns(after, base).verdict).toBe('better')
  expect(conclusion(comparison)).toBe('run beside base: worse (1 worse); 12 answers lost, 0 won')
  const markdown = comparisonMarkdown(comparison)
  expect(markdown).toContain('| rome on m, d | accuracy | 100.0 | 70.0 | -30.0 |')
  expect(markdown).toContain('| s c0 | accuracy (rewrite) lost | c0? | yes | yes | no |')
})

it('p is adjusted for all that is compared', () => {
  const both = (right: (i: number) => boolean) => [
    ...some(30, right),
    ...some(30, right).map((r) => ({ ...r, property: 'locality' as const }))
  ]
  const lost = (i: number) => i > 5
  const alone = compareRuns(run(some(30, () => true)), run(some(30, lost))).properties
  const shown = (c: PropertyComparison) => [c.p!.toFixed(5), c.adjustedP!.toFixed(5), c.verdict]
  expect(alone.map(shown)).toEqual([['0.03125', '0.03125', 'worse']])
  const together = compareRuns(run(both(() => true)), run(both(lost))).properties
  expect(together.map(shown)).toEqual([
    ['0.03125', '0.06250', 'same'],
    ['0.03125', '0.06250', 'same']
  ])
})

it('pairs cases and questions by what they say, whatever they are called and wherever they stand', () => {
  const rows = some(30, (i) => i % 2 === 0)
  const base = run(rows)
  const renamed = (id: string) => `other-${id}`
  const after: ComparedRun = {
    ...base,
    settings: [setting({ id: 't' })],
    answers: columns([...rows].reverse().map((r) => ({ ...r, setting: 't', caseId: renamed(r.caseId), probe: 7 }))),
    edits: [...base.edits].reverse().map((e) => ({ ...e, setting: 't', caseId: renamed(e.caseId) }))
  }
  const { properties } = compareRuns(base, after)
  expect(properties).toEqual([expect.objectContaining({ cases: 30, verdict: 'same', lost: 0, won: 0, note: null })])
  // Two cases that write the same are told apart by their order.
  const twins = run(
    [answer('a', true), answer('b', false)].map((r) => ({ ...r, prompt: '?' })),
    {
      edits: [edit('a'), edit('b')].map((e) => ({ ...e, prompt: 'p', subject: 's' }))
    }
  )
  expect(compareRuns(twins, twins).properties[0]).toMatchObject({ cases: 2, lost: 0, won: 0 })
})

it('compares the cases that both have, and says what it left out', () => {
  const { properties } = compareRuns(run(some(30, () => true)), run(some(20, () => true)))
  expect(properties[0]).toMatchObject({ cases: 20, verdict: 'same' })
  expect(properties[0]!.note).toBe('without 10 answers of the baseline that the other does not have')
})

it('takes a case with several questions as one, and ways to ask one thing as one question', () => {
  const rows = (rights: readonly boolean[], anyOf: string | null) =>
    rights.map((right, probe) => answer('c', right, { probe, prompt: `${probe}?`, property: 'portability', anyOf }))
  const compared = (anyOf: string | null) =>
    compareRuns(run(rows([true, true, false, false], anyOf)), run(rows([true, false, false, false], anyOf)))
      .properties[0]!
  expect(compared(null)).toMatchObject({ cases: 1, base: 0.5, run: 0.25, lost: 1 })
  expect(compared('one')).toMatchObject({ cases: 1, base: 1, run: 1, lost: 0 })
})

it('has lines of their own for kinds that are reported apart', () => {
  const rows = (kept: boolean) => [
    ...some(30, () => true).map((r) => ({ ...r, property: 'locality' as const, kind: 'neighbourhood' })),
    ...some(30, () => kept).map((r) => ({ ...r, property: 'locality' as const, kind: 'same-last-part' }))
  ]
  const { properties } = compareRuns(run(rows(true)), run(rows(false)))
  expect(properties.map((c) => [c.property, c.kind, c.run, c.verdict])).toEqual([
    ['locality', null, 1, 'same'],
    ['locality', 'same-last-part', 0, 'worse']
  ])
})

it('keeps what a sequence answers at once from what it answers at its end', () => {
  const protocol = {
    kind: 'sequential',
    edits: 2,
    size: 1,
    oneByOne: false,
    askAfter: [1, 2],
    orderSeed: null
  } as const
  const rows = (end: boolean) => [
    answer('a', true, { held: 1 }),
    answer('a', true, { held: 1, checkpoint: true }),
    answer('b', true, { held: 2 }),
    ...['a', 'b'].map((id) => answer(id, end, { held: 2, checkpoint: true }))
  ]
  const { properties } = compareRuns(
    run(rows(true), { settings: [setting({ protocol })] }),
    // In whatever order they are stored.
    run([...rows(false)].reverse(), { settings: [setting({ protocol })] })
  )
  expect(properties.map((c) => [c.protocol, c.cases, c.lost]).sort()).toEqual([
    ['sequential-2, asked at once', 2, 0],
    ['sequential-2, asked at the end', 2, 2]
  ])
  const own = (answers: AnswerRow[]) => run(answers, { settings: [setting({ protocol })] })
  const same = compareRuns(own(rows(false)), own([...rows(false)].reverse()))
  expect(same).toMatchObject({ verdict: 'same', flipped: { lost: 0, won: 0 } })
})

it.each<[string, Partial<ComparedRun>, RegExp]>([
  ['a setting the other does not have', { settings: [setting({ label: 'rome-2' })] }, /has no such setting/],
  [
    'another protocol',
    { settings: [setting({ protocol: { kind: 'batch', size: 2, oneByOne: false } })] },
    /has no such setting/
  ],
  ['other rules of scoring', { settings: [setting({ scoring: { locality_tokens: 4 } })] }, /scored by other rules/],
  [
    'no question in common',
    { answers: columns(some(3, () => true).map((r) => ({ ...r, prompt: 'other' }))) },
    /no question in common/
  ]
])('%s is not comparable, and it says why', (_, change, note) => {
  const own = run(some(3, () => true))
  const { properties, verdict } = compareRuns(own, { ...own, ...change })
  expect(verdict).toBe('not comparable')
  expect(properties[0]).toMatchObject({ verdict: 'not comparable', note: expect.stringMatching(note) })
})

it('compares costs on equal machines only, as ratios', () => {
  const base = run(some(3, () => true))
  const slow = { ...base, edits: base.edits.map((e) => ({ ...e, editMs: 25 })) }
  expect(compareRuns(base, slow).efficiency).toContainEqual({
    setting: 's',
    what: 'time',
    base: 10,
    run: 25,
    ratio: 2.5
  })
  const other = compareRuns(base, { ...slow, machine: { ...MACHINE, cpu: 'B' } })
  expect(other.efficiency).toEqual([])
  expect(other.efficiencyNote).toMatch(/other machines: A, 2 cores.*; and B, 2 cores/)
})

it('noise alone is called worse in less than 5 % of tables', () => {
  const random = randomStream(0, 'noise')
  const properties: readonly Property[] = ['accuracy', 'generality', 'portability', 'locality']
  // Each case has its own difficulty, and several questions; both runs answer them by chance alone.
  const table = () => {
    const rows: [AnswerRow, AnswerRow][] = []
    for (const property of properties)
      for (let i = 0; i < 40; i++) {
        const difficulty = random.uniform()
        for (let probe = 0; probe < (property === 'accuracy' ? 1 : 3); probe++) {
          const of = () =>
            answer(`c${i}`, random.uniform() < difficulty, { property, probe, prompt: `${property} ${i} ${probe}` })
          rows.push([of(), of()])
        }
      }
    return [run(rows.map((r) => r[0])), run(rows.map((r) => r[1]))] as const
  }
  const options = { significance: 0.05, seed: 0, resamples: 100, flips: 0 }
  let worse = 0
  const tables = 300
  for (let t = 0; t < tables; t++) {
    const [a, b] = table()
    if (compareRuns(a, b, options).verdict === 'worse') worse++
  }
  // Half of the false alarms go the other way.
  expect(worse / tables).toBeLessThan(0.05)
})

describe('measures', () => {
  const measured = (names: string[]) => setting({ measures: names })
  const ppl = (caseId: string, nll: number) =>
    answer(caseId, true, { scores: { 'text_nll.before': 0, 'text_nll.after': nll } })
  const CASES = Array.from({ length: 30 }, (_, i) => `c${i}`)
  const line = (base: AnswerRow[], other: AnswerRow[], names = ['perplexity'], also = names) => {
    const comparison = compareRuns(
      run(base, { settings: [measured(names)] }),
      run(other, { settings: [measured(also)] })
    )
    return { comparison, found: comparison.properties.find((p) => p.measure !== null) }
  }

  it('have lines of their own, worse where they rise that should fall', () => {
    const rows = (more: number) => CASES.map((c, i) => ppl(c, 1 + (i % 3) / 10 + more))
    const { comparison, found } = line(rows(0), rows(0.5))
    expect(found).toMatchObject({
      property: 'accuracy',
      measure: 'PPL',
      unit: 'number',
      verdict: 'worse',
      lost: 30,
      won: 0
    })
    expect(found!.base).toBeCloseTo((Math.exp(1) + Math.exp(1.1) + Math.exp(1.2)) / 3, 6)
    expect(found!.difference!.mean).toBeCloseTo(found!.run! - found!.base!, 9)
    expect(comparison.verdict).toBe('worse')
    expect(comparisonMarkdown(comparison)).toMatch(/\| accuracy, PPL \| 3\.01 \| 4\.97 \| \+1\.96 \|/)
    expect(line(rows(0.5), rows(0)).found!.verdict).toBe('better')
    expect(line(rows(0), rows(0)).found).toMatchObject({ verdict: 'same', difference: { mean: 0, low: 0, high: 0 } })
  })

  it('that take all texts together say that they are compared case by case', () => {
    const rows = CASES.map((c) => ppl(c, 1))
    expect(line(rows, rows, ['total-perplexity']).found!.note).toMatch(/^PPL is compared as a mean over cases/)
    expect(line(rows, rows).found!.note).toBeNull()
  })

  it('that overflow are as bad as the worst that is a number', () => {
    const good = CASES.map((c) => ppl(c, 1))
    const { found } = line(
      good,
      CASES.map((c, i) => ppl(c, i < 20 ? Number.POSITIVE_INFINITY : 1.1))
    )
    expect(found).toMatchObject({ verdict: 'worse', lost: 30 })
    expect(Number.isFinite(found!.difference!.mean)).toBe(true)
  })

  it('that both runs have are compared, and only the headlines', () => {
    const rows = CASES.map((c) => ppl(c, 1))
    expect(line(rows, rows, ['perplexity'], []).found).toBeUndefined()
    expect(line(rows, rows, ['probability']).found).toBeUndefined()
  })

  it('take the best of ways, each way, and all of a case as the summary does', () => {
    const hops = (right: boolean[]) =>
      CASES.flatMap((c) =>
        right.map((r, i) =>
          answer(c, r, {
            property: 'portability',
            kind: 'multi-hop',
            probe: i,
            prompt: `${c} ${i}?`,
            anyOf: 'questions'
          })
        )
      )
    expect(line(hops([true, true]), hops([true, false]), ['multi-hop-mean']).found).toMatchObject({ base: 1, run: 0.5 })
    const instance = (hop: number) =>
      CASES.flatMap((c) => [
        answer(c, true),
        answer(c, true, {
          property: 'locality',
          kind: 'hop',
          probe: 1,
          prompt: `${c} hop?`,
          scores: { 'true.after': hop }
        })
      ])
    expect(line(instance(1), instance(0), ['instance-wise']).found).toMatchObject({
      base: 1,
      run: 0,
      property: 'accuracy'
    })
  })
})
