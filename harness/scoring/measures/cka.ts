import type { Continued, Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import { mean } from '../../statistics/intervals'
import { type Measure, scoreKey } from './measure'

/** Added to both probabilities, so that a tiny one decides nothing. */
const ALPHA = 0.001

/**
 * Knowledge assessment of CaliNet: a fact is known when the first token of its object is likelier after its own relation than after wrong ones,
 * (P + α) / (mean P_wrong + α) > 1.
 */
export const knowledgeAssessment: Measure = {
  name: 'cka',
  title: 'Contrastive knowledge assessment',
  source: 'Dong et al. 2022, arXiv 2210.03329; dqxiu/CaliNet, cka/assessing_reader.py',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['cka'],
  needs: 'likelihood',
  unit: 'share',
  headline: true,
  labels: { accuracy: 'CKA > 1', generality: 'CKA > 1' },
  continuations: ({ kind, sides }: Probe): Record<string, readonly Continued[]> =>
    kind !== 'calibrated' || sides === undefined
      ? {}
      : {
          cka_true: sides.wanted,
          ...Object.fromEntries(sides.other.map((text, i) => [`cka_wrong_${i}`, [text]]))
        },
  scores(scored: Readonly<Record<string, TargetScore>>): Readonly<Record<string, number>> {
    const { cka_true: own } = scored
    if (own === undefined) return {}
    const first = ({ nll }: TargetScore) => Math.exp(-nll[0]!)
    const wrong = Object.entries(scored).flatMap(([name, s]) => (name.startsWith('cka_wrong_') ? [first(s)] : []))
    return wrong.length === 0 ? {} : { cka: (first(own) + ALPHA) / (mean(wrong) + ALPHA) }
  },
  value({ scores }, side) {
    const cka = scores[scoreKey('cka', side)]
    return cka === undefined ? undefined : Number(cka > 1)
  }
}
