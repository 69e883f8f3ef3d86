import type { Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import { type Measure, scoreKey } from './measure'

/*
 * Which of several answers is the likeliest: what a classifier's head decides, a language model says by the likelihood of the labels' words
 * (EleutherAI/lm-evaluation-harness, acc: log likelihoods summed over tokens, the first of equals).
 */

/** Negative log likelihood of every choice. */
export const choicesOf = ({ choices }: Probe, scored: Readonly<Record<string, TargetScore>>): number[] =>
  (choices?.texts ?? []).map((_, i) => scored[`choice_${i}`]!.nll.reduce((a, b) => a + b, 0))

export const choiceTexts = ({ choices }: Probe): Record<string, string> =>
  Object.fromEntries((choices?.texts ?? []).map((text, i) => [`choice_${i}`, text]))

const shared = {
  needs: 'likelihood',
  unit: 'share',
  higherIsBetter: true,
  bounds: [0, 1],
  headline: true,
  continuations: choiceTexts,
  scores(scored: Readonly<Record<string, TargetScore>>, probe: Probe): Readonly<Record<string, number>> {
    const nll = choicesOf(probe, scored)
    if (nll.length === 0) return {}
    const right = probe.choices?.right
    const label = nll.indexOf(Math.min(...nll))
    if (right === undefined) return { label }
    const first = nll.map((_, i) => scored[`choice_${i}`]!.nll[0]!)
    return { label, label_right: right, label_rank: placeOf(right, nll), label_first_rank: placeOf(right, first) }
  }
} as const

/** Of one among all, from the likeliest on: 1 is the first place. Equals stand in their order. */
const placeOf = (which: number, nll: readonly number[]): number =>
  1 + nll.filter((n, i) => n < nll[which]! || (n === nll[which]! && i < which)).length

/** Right labels; where what is expected is the model's own answer, labels that stay. */
export const labelAccuracy: Measure = {
  ...shared,
  name: 'label-accuracy',
  title: 'Labels',
  source:
    'De Cao et al. 2021, arXiv 2104.08164; Mitchell et al. 2022, arXiv 2206.06520; Hartvigsen et al. 2023, arXiv 2211.11031',
  comparableWith: ['label-accuracy'],
  labels: { accuracy: 'label', generality: 'label', portability: 'label', locality: 'label stays' },
  value({ property, scores }, side) {
    const label = scores[scoreKey('label', side)]
    const right = property === 'locality' ? scores[scoreKey('label', 'before')] : scores[scoreKey('label_right', side)]
    return label === undefined || right === undefined ? undefined : Number(label === right)
  }
}

/** One over the place of the right label among all, by likelihood: the mean is the mean reciprocal rank. */
export const reciprocalRank: Measure = {
  ...shared,
  name: 'reciprocal-rank',
  title: 'Reciprocal rank of the right label',
  source: 'scikit-learn, label_ranking_average_precision_score, with one right label',
  comparableWith: ['reciprocal-rank'],
  labels: { accuracy: 'MRR', generality: 'MRR' },
  value({ property, scores }, side) {
    const rank = scores[scoreKey('label_rank', side)]
    return rank === undefined || property === 'locality' ? undefined : 1 / rank
  }
}

const byFirstToken = (name: string, title: string, label: string, places: number): Measure => ({
  ...shared,
  name,
  title,
  source: 'Hernandez et al. 2023, arXiv 2304.00740; evandez/REMEDI, remedi/benchmarks.py, biosbias_error_correction',
  comparableWith: [name],
  labels: { accuracy: label, generality: label },
  value({ property, scores }, side) {
    const place = scores[scoreKey('label_first_rank', side)]
    return place === undefined || property === 'locality' ? undefined : Number(place <= places)
  }
})

/** REMEDI's top-1 and top-3 accuracy: labels compared by their first tokens alone. */
export const firstTokenLabel = byFirstToken('first-token-label', 'Label by its first token', 'top 1', 1)
export const firstTokenLabelTop3 = byFirstToken(
  'first-token-label-top-3',
  'Label by its first token, among three',
  'top 3',
  3
)
