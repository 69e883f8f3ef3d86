import type { Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import type { AnswerRow } from '../../results/rows'
import { mean } from '../../statistics/intervals'
import { type Measure, type Side, scoreKey } from './measure'

/*
 * CounterFact's comparison of two continuations by their mean token likelihood (Meng et al. 2022, section 3.4): how often the right one is strictly
 * likelier (ES, PS, NS), and by how much (EM, PM, NM).
 */

const shared = {
  source: 'Meng et al. 2022, arXiv 2202.05262, section 3.4',
  higherIsBetter: true,
  needs: 'likelihood',
  unit: 'share',
  continuations: ({ compare }: Probe): Record<string, string> => (compare === undefined ? {} : { ...compare }),
  scores: ({ better, worse }: Readonly<Record<string, TargetScore>>): Record<string, number> =>
    better === undefined || worse === undefined ? {} : { better_nll: mean(better.nll), worse_nll: mean(worse.nll) }
} as const

/** Mean negative log likelihoods of the two, in nats a token. */
function likelihoods({ scores }: AnswerRow, side: Side): { better: number; worse: number } | undefined {
  const [better, worse] = [scores[scoreKey('better_nll', side)], scores[scoreKey('worse_nll', side)]]
  return better === undefined || worse === undefined ? undefined : { better, worse }
}

export const probability: Measure = {
  ...shared,
  name: 'probability',
  title: 'Probability comparison',
  bounds: [0, 1],
  comparableWith: ['probability'],
  labels: { accuracy: 'ES', generality: 'PS', locality: 'NS' },
  value(row, side) {
    const nll = likelihoods(row, side)
    return nll && Number(nll.better < nll.worse)
  },
  composite: {
    label: 'S',
    of({ accuracy, generality, locality }) {
      if (accuracy === undefined || generality === undefined || locality === undefined) return undefined
      return harmonicMean([accuracy, generality, locality])
    }
  }
}

export const probabilityMagnitude: Measure = {
  ...shared,
  name: 'probability-magnitude',
  title: 'Difference of probabilities',
  bounds: [-1, 1],
  comparableWith: ['probability-magnitude'],
  labels: { accuracy: 'EM', generality: 'PM', locality: 'NM' },
  value(row, side) {
    const nll = likelihoods(row, side)
    return nll && Math.exp(-nll.better) - Math.exp(-nll.worse)
  }
}

const harmonicMean = (values: readonly number[]): number =>
  values.some((v) => v === 0) ? 0 : values.length / values.reduce((sum, v) => sum + 1 / v, 0)
