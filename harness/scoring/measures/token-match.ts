import type { Measure } from './measure'

/** EasyEdit's share of right tokens, each chosen when those before it are given (teacher-forced). */
export const tokenMatch: Measure = {
  name: 'token-match',
  title: 'Share of matching tokens',
  source: 'zjunlp/EasyEdit, easyeditor/evaluate; Yao et al. 2023, arXiv 2305.13172',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['token-match'],
  needs: 'choices',
  unit: 'share',
  value: (row, side) => (side === 'after' ? row.shareAfter : row.shareBefore)
}
