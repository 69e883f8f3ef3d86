import type { Measure } from './measure'

/** The book's indicator I(M*(x) = y): greedy decoding gives exactly the expected answer and does not go on inside the same word. */
export const exactMatch: Measure = {
  name: 'exact-match',
  title: 'Exact match',
  source: 'the book, equations 5.1 to 5.4',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['exact-match'],
  needs: 'choices',
  unit: 'share',
  value: (row, side) => Number(side === 'after' ? row.exactAfter : row.exactBefore)
}
