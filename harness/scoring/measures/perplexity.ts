import type { Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import { mean } from '../../statistics/intervals'
import { type Measure, scoreKey } from './measure'

/**
 * Perplexity of a text given what comes before it, exp of the mean negative log likelihood of its tokens (Hartvigsen et al. 2023, section 4.1): of
 * the sentence that is written, and of texts that should stay likely. Mean over cases, as in their code.
 */
export const perplexity: Measure = {
  name: 'perplexity',
  title: 'Perplexity',
  source: 'Hartvigsen et al. 2023, arXiv 2211.11031; Thartvigsen/GRACE, grace/metrics.py',
  higherIsBetter: false,
  bounds: [1, Number.POSITIVE_INFINITY],
  comparableWith: ['perplexity'],
  needs: 'likelihood',
  unit: 'number',
  headline: true,
  labels: { accuracy: 'PPL', generality: 'PPL', locality: 'PPL of what stays' },
  // Most tokens of a sentence are the same whatever it says.
  ungraded: ['accuracy'],
  continuations({ expected, gold }: Probe): Record<string, string> {
    const [text] = expected === 'same-as-before' ? [gold] : expected
    return text === undefined ? {} : { text }
  },
  scores: ({ text }: Readonly<Record<string, TargetScore>>): Record<string, number> =>
    text === undefined ? {} : { text_nll: mean(text.nll) },
  value({ scores }, side) {
    const nll = scores[scoreKey('text_nll', side)]
    return nll === undefined ? undefined : Math.exp(nll)
  }
}

/**
 * Perplexity of a dataset's texts together, exp of the mean over texts of their mean negative log likelihoods: every text counts the same, however long,
 * as in ECBD's code.
 */
export const totalPerplexity: Measure = {
  ...perplexity,
  name: 'total-perplexity',
  title: 'Perplexity of all texts',
  source:
    'Onoe et al. 2023, arXiv 2305.01651; yasumasaonoe/entity_knowledge_propagation, src/metrics.py, compute_total_perplexity',
  comparableWith: ['total-perplexity'],
  labels: { accuracy: 'PPL', portability: 'PPL', locality: 'PPL of what stays' },
  ungraded: ['accuracy', 'portability'],
  pooled: {
    value: ({ scores }, side) => scores[scoreKey('text_nll', side)],
    weight: () => 1,
    of: Math.exp
  }
}
