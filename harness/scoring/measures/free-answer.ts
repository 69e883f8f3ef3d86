import { FREE, JUDGED, type Measure, scoreKey } from './measure'

/** The share of free answers that are right: reported where a config asks for them, beside the teacher-forced ones, which they are not comparable with. */
export const freeAnswer: Measure = {
  name: 'free-answer',
  title: 'Free answers',
  source: 'Yang et al. 2025, arXiv 2502.11177 (WILD); zjunlp/EasyEdit, exact_match_score',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['free-answer'],
  needs: 'generation',
  unit: 'share',
  headline: true,
  labels: {
    accuracy: 'free accuracy',
    generality: 'free generality',
    portability: 'free portability',
    locality: 'free locality'
  },
  value: ({ scores }, side) => scores[scoreKey(FREE, side)]
}

/** The share of free answers that a judge takes as right, where a config names one. */
export const judgedAnswer: Measure = {
  ...freeAnswer,
  name: 'judged-answer',
  title: 'Free answers, judged',
  source: 'Yang et al. 2025, arXiv 2502.11177 (WILD); zjunlp/EasyEdit, llm_judge',
  comparableWith: ['judged-answer'],
  labels: { accuracy: 'judged accuracy', generality: 'judged generality', portability: 'judged portability' },
  value: ({ scores }, side) => scores[scoreKey(JUDGED, side)]
}
