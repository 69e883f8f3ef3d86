import type { Continued, Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import { mean } from '../../statistics/intervals'
import { DIVERGENCE, type Measure, scoreKey } from './measure'

/**
 * SERAC's edit success on sentiment (Mitchell et al. 2022, section 4.2): z_sent · z_topic, where z_sent = σ(l(wanted) − l(other)) says whether texts of the
 * wanted sentiment are now likelier, and z_topic = min(1, exp(l(wanted) − l_before(wanted))) that the model has stayed on topic. l is the mean log
 * likelihood over all tokens of all texts of a side.
 */
export const sentimentShift: Measure = {
  name: 'sentiment-shift',
  title: 'Sentiment shift with topic consistency',
  source: 'Mitchell et al. 2022, arXiv 2206.06520; eric-mitchell/serac, metrics.py, es_sentiment',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['sentiment-shift'],
  needs: 'likelihood',
  unit: 'share',
  headline: true,
  labels: { accuracy: 'ES' },
  // What is wanted is one of many texts.
  ungraded: ['accuracy'],
  continuations: ({ sides }: Probe): Record<string, readonly Continued[]> =>
    sides === undefined ? {} : { wanted: sides.wanted, other: sides.other },
  scores: ({ wanted, other }: Readonly<Record<string, TargetScore>>): Record<string, number> =>
    wanted === undefined || other === undefined || other.nll.length === 0
      ? {}
      : { wanted_nll: mean(wanted.nll), other_nll: mean(other.nll) },
  value({ scores }, side) {
    const [wanted, other] = [scores[scoreKey('wanted_nll', side)], scores[scoreKey('other_nll', side)]]
    const before = scores[scoreKey('wanted_nll', 'before')]
    if (wanted === undefined || other === undefined || before === undefined) return undefined
    // Where nothing is likely any more, nothing was written.
    if (!Number.isFinite(wanted)) return 0
    return Math.min(1, Math.exp(before - wanted)) / (1 + Math.exp(wanted - other))
  }
}

/** How far the edited model's next-token distributions are from the unedited one's on texts that have nothing to do with the edit, in nats: 0 is best. */
export const divergence: Measure = {
  name: 'divergence',
  title: 'Divergence from the unedited model',
  source: 'zjunlp/EasyEdit, easyeditor/evaluate, kl_loc_loss (KnowEdit: locality of ConvSent)',
  higherIsBetter: false,
  bounds: [0, Number.POSITIVE_INFINITY],
  comparableWith: ['divergence'],
  needs: 'likelihood',
  unit: 'number',
  headline: true,
  labels: { locality: 'KL' },
  diverges: true,
  value({ scores }, side) {
    const kl = scores[scoreKey(DIVERGENCE, 'after')]
    return kl === undefined ? undefined : side === 'after' ? kl : 0
  }
}
