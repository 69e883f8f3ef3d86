import type { AnswerRow, EditRow } from '../results/rows'
import { estimate, median } from '../statistics/intervals'
import { BOOK_GRADING, gradeOf } from './grade'
import { exactMatch, findMeasure, MEASURES } from './measures'
import { summariseAnswers, summariseEfficiency, summariseRetention } from './summarise'

const options = { seed: 0, resamples: 2000 }

describe('an interval', () => {
  it('is undefined when there is nothing to average: not measured is not zero', () => {
    expect(estimate([], options)).toBeUndefined()
  })

  it('of edits that are right or wrong is Wilson’s', () => {
    // R: binom::binom.wilson(15, 20) and (4, 4)
    const of = (right: number, n: number) =>
      estimate(
        Array.from({ length: n }, (_, i) => Number(i < right)),
        options
      )!
    expect(of(15, 20)).toMatchObject({ mean: 0.75, cases: 20 })
    expect([of(15, 20).low, of(15, 20).high]).toEqual([expect.closeTo(0.5313, 4), expect.closeTo(0.8881, 4)])
    expect([of(4, 4).low, of(4, 4).high]).toEqual([expect.closeTo(0.5101, 4), 1])
  })

  it.each([
    ['a single edit', [0.5], {}],
    ['edits that all agree', [0.25, 0.25, 0.25], {}],
    ['edits that are all right', [1, 1], {}],
    ['differences of probabilities that all agree', [-0.5, -0.5], { bounds: [-1, 1] as const }]
  ])('is never a point: %s', (_, values, change) => {
    const { mean, low, high } = estimate(values, { ...options, ...change })!
    expect(high - low).toBeGreaterThan(0.2)
    expect(low).toBeLessThanOrEqual(mean)
    expect(high).toBeGreaterThanOrEqual(mean)
  })

  it('of shares is that of a bootstrap over edits, near the normal one for many', () => {
    const values = Array.from({ length: 400 }, (_, i) => (i % 4 === 0 ? 0.5 : i % 2))
    const { mean, low, high } = estimate(values, options)!
    const sd = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 400 / 400)
    expect(low).toBeCloseTo(mean - 1.96 * sd, 1.9)
    expect(high).toBeCloseTo(mean + 1.96 * sd, 1.9)
  })

  it('is the same for the same values, wherever they stand', () => {
    const values = Array.from({ length: 50 }, (_, i) => i / 50)
    expect(estimate(values, options)).toEqual(estimate([...values], options))
    expect(estimate(values, { ...options, seed: 1 })!.low).not.toBe(estimate(values, options)!.low)
  })
})

test('the median of an even number of values is the mean of the middle two', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([2, 2.5])
})

test('the grading gives the book’s high, medium and low at its cut points', () => {
  expect(gradeOf('accuracy', 0.75, BOOK_GRADING)).toBe('high')
  expect(gradeOf('accuracy', 0.74, BOOK_GRADING)).toBe('medium')
  expect(gradeOf('accuracy', 0.2, BOOK_GRADING)).toBe('low')
  expect(gradeOf('portability', 0.3, BOOK_GRADING)).toBe('high')
})

function row(change: Partial<AnswerRow>): AnswerRow {
  return {
    setting: 's',
    caseId: '1',
    probe: 0,
    property: 'accuracy',
    kind: 'rewrite',
    prompt: '',
    expected: '',
    before: '',
    after: '',
    exactBefore: false,
    exactAfter: true,
    longerAfter: false,
    shareBefore: 0,
    shareAfter: 1,
    scores: {},
    anyOf: null,
    held: 1,
    checkpoint: false,
    ...change
  }
}
function editRow(change: Partial<EditRow>): EditRow {
  return {
    setting: 's',
    caseId: '1',
    prompt: '',
    subject: '',
    target: '',
    place: '',
    facts: 1,
    position: 0,
    editMs: 10,
    together: 1,
    flops: 5,
    peakBytes: 100,
    editBytes: 4,
    lossCurve: [],
    diagnostics: '{}',
    error: null,
    ...change
  }
}
const summary = { seed: 0, resamples: 200, grading: BOOK_GRADING, measures: MEASURES }

describe('the summary of answers', () => {
  it('averages over a case first and then over cases', () => {
    const { properties } = summariseAnswers(
      [
        ...[0, 1, 2].map((probe) => row({ property: 'generality', probe, exactAfter: true })),
        row({ property: 'generality', exactAfter: false, caseId: '2' })
      ],
      summary
    )
    expect(properties.generality!.edited).toMatchObject({ mean: 0.5, cases: 2 })
  })

  it('leaves out properties nobody asked about', () => {
    const { properties, measures } = summariseAnswers([row({})], summary)
    expect(Object.keys(properties)).toEqual(['accuracy'])
    expect(measures.map((m) => m.name)).not.toContain('probability')
  })

  it('keeps exact match and token share apart, edited and base', () => {
    const { properties } = summariseAnswers([row({ exactAfter: false, shareAfter: 0.75, shareBefore: 0.5 })], summary)
    const { edited, base, tokenShare, baseTokenShare } = properties.accuracy!
    expect([edited, base, tokenShare, baseTokenShare].map((e) => e.mean)).toEqual([0, 0, 0.75, 0.5])
  })

  it('counts CounterFact’s successes strictly, its magnitudes in probabilities, and S as their harmonic mean', () => {
    const compare = (property: AnswerRow['property'], better: number, worse: number, caseId = '1') =>
      row({
        property,
        caseId,
        scores: {
          'better_nll.after': better,
          'worse_nll.after': worse,
          'better_nll.before': worse,
          'worse_nll.before': better
        }
      })
    const { measures } = summariseAnswers(
      [
        compare('accuracy', 0.1, 3),
        compare('accuracy', 2, 2, '2'),
        compare('generality', 0.1, 3),
        compare('locality', 0.2, 1)
      ],
      summary
    )
    const values = measures.flatMap((m) => m.values.map((v) => [v.label, v.edited.mean] as const))
    const of = Object.fromEntries(values)
    expect(of.ES).toBe(0.5)
    expect(of.EM).toBeCloseTo((Math.exp(-0.1) - Math.exp(-3)) / 2, 10)
    expect(of.PS).toBe(1)
    expect(of.NM).toBeCloseTo(Math.exp(-0.2) - Math.exp(-1), 10)
    const { composite } = measures.find((m) => m.name === 'probability')!
    expect(composite!.label).toBe('S')
    expect(composite!.edited).toBeCloseTo(3 / (1 / 0.5 + 1 + 1), 10)
    expect(composite!.base).toBe(0)
  })

  it('makes no S of two of its three', () => {
    const compared = row({
      scores: { 'better_nll.after': 1, 'worse_nll.after': 2, 'better_nll.before': 1, 'worse_nll.before': 2 }
    })
    const { measures } = summariseAnswers([compared, { ...compared, property: 'locality' }], summary)
    expect(measures.find((m) => m.name === 'probability')).not.toHaveProperty('composite')
  })

  it('reports kinds apart that are no part of their property', () => {
    const rows = [
      row({ property: 'locality', kind: 'neighbourhood' }),
      row({ probe: 1, property: 'locality', kind: 'same-last-part', exactAfter: false })
    ]
    const { properties, kinds } = summariseAnswers(rows, summary)
    expect(properties.locality!.edited.mean).toBe(1)
    expect(kinds.map((k) => [k.kind, k.edited.mean])).toEqual([
      ['neighbourhood', 1],
      ['same-last-part', 0]
    ])
  })

  it('counts apart what the unedited model does not know', () => {
    const asked = (caseId: string, known: number, exactAfter: boolean) =>
      row({ caseId, property: 'portability', kind: 'subject-alias', exactAfter, scores: { base_knows: known } })
    const { properties, kinds } = summariseAnswers(
      [asked('a', 1, true), asked('b', 1, false), asked('c', 0, false)],
      summary
    )
    expect(properties.portability!.edited.mean).toBeCloseTo(1 / 3)
    for (const { granted } of [properties.portability!, kinds[0]!]) {
      expect(granted!.known.mean).toBeCloseTo(2 / 3)
      expect(granted!.edited).toMatchObject({ mean: 0.5, cases: 2 })
    }
    expect(summariseAnswers([asked('a', 0, false)], summary).properties.portability!.granted!.edited).toBeUndefined()
    expect(summariseAnswers([row({})], summary).properties.accuracy!.granted).toBeUndefined()
  })

  it('counts ways to ask one thing once, by the best of them', () => {
    const rows = [false, true, false].map((exactAfter, probe) =>
      row({ property: 'portability', probe, exactAfter, anyOf: 'hops' })
    )
    const alone = row({ property: 'portability', probe: 3, exactAfter: false })
    const { portability } = summariseAnswers([...rows, alone], summary).properties
    expect(portability!.edited.mean).toBe(0.5)
    expect(portability!.probes).toBe(4)
  })
})

test('a number has one interval, for the property and for its only kind', () => {
  const rows = [0, 1, 2].map((i) =>
    row({ property: 'locality', kind: 'unrelated', caseId: String(i), exactAfter: i > 0 })
  )
  const more = rows.map((r) => ({ ...r, probe: 1, exactAfter: true }))
  const { properties, kinds } = summariseAnswers([...rows, ...more], summary)
  expect(kinds[0]!.edited).toEqual(properties.locality!.edited)
})

describe('several questions that belong together', () => {
  const hop = (right: number, probe: number) =>
    row({ property: 'locality', kind: 'hop', probe, scores: { 'true.before': 0, 'true.after': right } })
  const value = (rows: AnswerRow[], name: string) =>
    summariseAnswers(rows, summary).measures.find((m) => m.name === name)?.values

  it('are right instance-wise when all of them are, edited or not', () => {
    const ofCase = (caseId: string, rows: AnswerRow[]) => rows.map((r) => ({ ...r, caseId }))
    const rows = [
      ...ofCase('all', [row({}), row({ probe: 1 }), hop(1, 2)]),
      ...ofCase('a hop is not', [row({}), hop(0, 1)]),
      ...ofCase('an edit is not', [row({}), row({ probe: 1, exactAfter: false }), hop(1, 2)]),
      // Neither unchanged nor right counts, but for hops.
      ...ofCase('others are not', [
        row({}),
        row({ property: 'locality', kind: 'unrelated', probe: 1, exactAfter: false })
      ])
    ]
    const [instances, ...more] = value(rows, 'instance-wise')!
    expect(more).toEqual([])
    expect(instances).toMatchObject({ property: 'accuracy', edited: { mean: 0.5, cases: 4 }, base: { mean: 0 } })
  })

  it('are right in any of their ways, and each way counts in their mean', () => {
    const rows = [true, false, false].map((exactAfter, probe) =>
      row({ property: 'portability', kind: 'multi-hop', anyOf: 'questions', probe, exactAfter })
    )
    expect(summariseAnswers(rows, summary).properties.portability!.edited.mean).toBe(1)
    expect(value(rows, 'multi-hop-mean')).toMatchObject([
      { property: 'portability', edited: { mean: 1 / 3, cases: 1 } }
    ])
  })
})

test('numbers without bounds have an interval over what was seen', () => {
  const ppl = (nll: number, caseId: string) => row({ caseId, scores: { 'text_nll.before': 0, 'text_nll.after': nll } })
  const measure = (...rows: AnswerRow[]) =>
    summariseAnswers(rows, summary).measures.find((m) => m.name === 'perplexity')!.values[0]!
  const { edited, base } = measure(ppl(0, '1'), ppl(Math.log(3), '2'))
  expect(edited.mean).toBeCloseTo(2, 12)
  expect([edited.low, edited.high].map((x) => Math.round(x))).toEqual([1, 3])
  expect(base).toMatchObject({ mean: 1, low: 1, high: 1 })
  expect(measure(ppl(Number.POSITIVE_INFINITY, '1')).edited.mean).toBe(Number.POSITIVE_INFINITY)
})

test('every checkpoint has its measures, and general ability is no part of others', () => {
  const again = (held: number, nll: number, change: Partial<AnswerRow> = {}) =>
    row({ held, checkpoint: true, scores: { 'text_nll.before': 0, 'text_nll.after': nll }, ...change })
  const general = again(2, 9, {
    ...{ caseId: 'general-text-0', property: 'locality', kind: 'general-text', exactAfter: false },
    scores: { 'bits_per_byte.before': 1, 'bits_per_byte.after': 4, 'bytes.before': 9 }
  })
  const [first, second] = summariseRetention([again(1, 0), again(2, Math.log(2)), general], summary)
  // Nor are other kinds that are reported apart.
  const apart = row({ property: 'locality', kind: 'same-last-part', scores: { 'free.before': 1, 'free.after': 0 } })
  const kept = { ...apart, kind: 'unrelated', probe: 1, scores: { 'free.before': 1, 'free.after': 1 } }
  const free = summariseAnswers([apart, kept], summary).measures.find((m) => m.name === 'free-answer')
  expect(free!.values[0]!.edited.mean).toBe(1)
  const means = (c: typeof first) =>
    Object.fromEntries(
      c!.measures.filter((m) => m.headline).flatMap((m) => m.values.map((v) => [v.label, v.edited.mean]))
    )
  expect(means(first)).toEqual({ PPL: 1, 'instance-wise': 1 })
  expect(means(second)).toEqual({ PPL: 2, 'instance-wise': 1, 'bits a byte': 4 })
  expect(Object.keys(second!.properties)).toEqual(['accuracy'])
})

test('kinds are told apart, and each counts its questions and the answers that go on', () => {
  const rows = [
    row({ property: 'locality', kind: 'neighbourhood', exactAfter: false }),
    row({ property: 'locality', kind: 'unrelated', probe: 1, longerAfter: true }),
    row({ property: 'locality', kind: 'unrelated', probe: 2 })
  ]
  const { kinds, properties } = summariseAnswers(rows, summary)
  expect(kinds.map((k) => [k.kind, k.edited.mean, k.probes, k.right, k.longer])).toEqual([
    ['neighbourhood', 0, 1, 0, 0],
    ['unrelated', 1, 2, 2, 1]
  ])
  expect(properties.locality).toMatchObject({ probes: 3, right: 2, longer: 1 })
})

test('the share of matching tokens is graded, which the book’s numbers are', () => {
  const grade = (exact: boolean, share: number) =>
    summariseAnswers([row({ exactAfter: exact, shareAfter: share })], { ...summary, measures: [] }).properties.accuracy!
      .grade
  expect([grade(false, 0.8), grade(true, 0.1)]).toEqual(['high', 'low'])
  // But not where another measure tells more.
  const { accuracy, generality } = summariseAnswers([row({}), row({ property: 'generality' })], {
    ...summary,
    measures: [findMeasure('perplexity')]
  }).properties
  expect([accuracy!.grade, generality!.grade]).toEqual([undefined, 'high'])
})

test('failed edits do not count into efficiency', () => {
  const unknown = { editMs: null, together: null, flops: null, peakBytes: null, editBytes: null }
  const setup = { ms: 7, parts: [{ what: 'second moment', how: 'cached' as const }] }
  const edits = [editRow({ editMs: 10, together: 4 }), editRow({ editMs: 30, together: 2, peakBytes: 300 })]
  expect(summariseEfficiency([...edits, editRow({ ...unknown, error: 'x' })], setup, true)).toEqual({
    msPerEdit: { mean: 20, median: 20 },
    together: 3,
    setup,
    flopsPerEdit: 5,
    peakBytes: 300,
    bytesPerEdit: 4,
    holdsMany: true
  })
  expect(summariseEfficiency([editRow({ ...unknown })], setup, false)).toEqual({ setup, holdsMany: false })
})

describe('retention', () => {
  it('is what all edits so far come to at every checkpoint, apart from what was asked at once', () => {
    const asked = (caseId: string, held: number, checkpoint: boolean, exactAfter: boolean) =>
      row({ caseId, held, checkpoint, exactAfter })
    const rows = [
      asked('1', 1, false, true),
      asked('1', 1, true, true),
      asked('2', 2, false, true),
      asked('1', 2, true, false),
      asked('2', 2, true, true)
    ]
    expect(summariseRetention(rows, summary).map((r) => [r.after, r.properties.accuracy!.edited.mean])).toEqual([
      [1, 1],
      [2, 0.5]
    ])
  })
})

it('measures say with which others they may share a column, each with itself', () => {
  for (const measure of MEASURES) expect(measure.comparableWith).toContain(measure.name)
  expect(exactMatch.comparableWith).not.toContain('token-match')
  expect(() => findMeasure('exact-mach')).toThrow("did you mean 'exact-match'")
})
