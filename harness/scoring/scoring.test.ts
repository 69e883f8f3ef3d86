import type { AnswerRow, EditRow } from '../results/rows'
import { estimate, median } from './bootstrap'
import { BOOK_GRADING, gradeOf } from './grade'
import { summariseAnswers, summariseEfficiency } from './summarise'

const options = { seed: 0, resamples: 2000, purpose: 'test' }

describe('bootstrap interval', () => {
  it('is undefined when there is nothing to average: not measured is not zero', () => {
    expect(estimate([], options)).toBeUndefined()
  })

  it('is a point when all cases agree', () => {
    expect(estimate([1, 1, 1], options)).toEqual({ mean: 1, low: 1, high: 1, cases: 3 })
  })

  it('comes near the normal interval for many cases', () => {
    const values = Array.from({ length: 400 }, (_, i) => Number(i % 4 !== 0))
    const { mean, low, high } = estimate(values, options)!
    const half = 1.96 * Math.sqrt((0.75 * 0.25) / 400)
    expect(mean).toBe(0.75)
    expect(low).toBeCloseTo(0.75 - half, 1.9)
    expect(high).toBeCloseTo(0.75 + half, 1.9)
  })

  it('is the same for the same seed, and another for another purpose', () => {
    const values = Array.from({ length: 50 }, (_, i) => i / 50)
    expect(estimate(values, options)).toEqual(estimate(values, options))
    expect(estimate(values, { ...options, purpose: 'other' })!.low).not.toBe(estimate(values, options)!.low)
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
    shareBefore: 0,
    shareAfter: 1,
    betterNllBefore: null,
    betterNllAfter: null,
    worseNllBefore: null,
    worseNllAfter: null,
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
    editMs: 10,
    flops: 5,
    peakBytes: 100,
    editBytes: 4,
    lossCurve: [],
    diagnostics: '{}',
    error: null,
    ...change
  }
}
const summary = { seed: 0, resamples: 200, grading: BOOK_GRADING }

describe('the summary of answers', () => {
  it('averages over a case first and then over cases', () => {
    const { properties } = summariseAnswers(
      [
        row({ property: 'generality', exactAfter: true }),
        row({ property: 'generality', exactAfter: true }),
        row({ property: 'generality', exactAfter: true }),
        row({ property: 'generality', exactAfter: false, caseId: '2' })
      ],
      [],
      summary
    )
    expect(properties.generality!.edited).toMatchObject({ mean: 0.5, cases: 2 })
  })

  it('leaves out properties nobody asked about', () => {
    const { properties, probability } = summariseAnswers([row({})], [], summary)
    expect(Object.keys(properties)).toEqual(['accuracy'])
    expect(probability).toBeUndefined()
  })

  it('keeps exact match and token share apart, edited and base', () => {
    const { properties } = summariseAnswers(
      [row({ exactAfter: false, shareAfter: 0.75, shareBefore: 0.5 })],
      [],
      summary
    )
    const { edited, base, tokenShare, baseTokenShare } = properties.accuracy!
    expect([edited, base, tokenShare, baseTokenShare].map((e) => e.mean)).toEqual([0, 0, 0.75, 0.5])
  })

  it('counts CounterFact’s successes strictly, its magnitudes in probabilities, and S as their harmonic mean', () => {
    const compare = (property: AnswerRow['property'], better: number, worse: number, caseId = '1') =>
      row({
        property,
        caseId,
        betterNllAfter: better,
        worseNllAfter: worse,
        betterNllBefore: worse,
        worseNllBefore: better
      })
    const { probability } = summariseAnswers(
      [
        compare('accuracy', 0.1, 3),
        compare('accuracy', 2, 2, '2'),
        compare('generality', 0.1, 3),
        compare('locality', 0.2, 1)
      ],
      [],
      summary
    )
    const { edited, base } = probability!
    expect(edited.ES.mean).toBe(0.5)
    expect(edited.EM.mean).toBeCloseTo((Math.exp(-0.1) - Math.exp(-3)) / 2, 10)
    expect(edited.PS!.mean).toBe(1)
    expect(edited.NM!.mean).toBeCloseTo(Math.exp(-0.2) - Math.exp(-1), 10)
    expect(edited.S).toBeCloseTo(3 / (1 / 0.5 + 1 + 1), 10)
    expect(base.S).toBe(0)
  })

  it('names failed cases and counts them', () => {
    const { cases, failed } = summariseAnswers(
      [],
      [editRow({}), editRow({ caseId: '2', error: 'no subject' })],
      summary
    )
    expect(cases).toBe(2)
    expect(failed).toEqual([{ caseId: '2', message: 'no subject' }])
  })
})

test('failed edits do not count into efficiency', () => {
  const failed = editRow({ editMs: null, flops: null, peakBytes: null, editBytes: null, error: 'x' })
  const e = summariseEfficiency([editRow({ editMs: 10 }), editRow({ editMs: 30, peakBytes: 300 }), failed], 7, true)
  expect(e).toEqual({
    msPerEdit: { mean: 20, median: 20 },
    setupMs: 7,
    flopsPerEdit: 5,
    peakBytes: 300,
    bytesPerEdit: 4,
    supportsBatch: true
  })
})
