import { WRITTEN } from '../../../datasets/types'
import { ENTROPY, type Measure, SIMILARITY, scoreKey } from './measure'

const shared = { about: WRITTEN, headline: true, needs: 'generation', higherIsBetter: true } as const

/** Weighted entropy of the pairs and triples of words in what the model writes, in bits: low where it repeats itself. Papers print it times 100. */
export const fluency: Measure = {
  ...shared,
  name: 'fluency',
  title: 'Fluency',
  source: 'Meng et al. 2022, arXiv 2202.05262, GE; kmeng01/rome, n_gram_entropy',
  bounds: [0, Number.POSITIVE_INFINITY],
  comparableWith: ['fluency'],
  unit: 'number',
  labels: { generality: 'fluency' },
  value: ({ scores }, side) => scores[scoreKey(ENTROPY, side)]
}

/** Cosine of the TF-IDF weights of what the model writes about the subject and of texts about others that have what was given to it. */
export const consistency: Measure = {
  ...shared,
  name: 'consistency',
  title: 'Consistency',
  source: 'Meng et al. 2022, arXiv 2202.05262, RS; kmeng01/rome, tfidf_similarity',
  bounds: [0, 1],
  comparableWith: ['consistency'],
  unit: 'share',
  labels: { generality: 'consistency' },
  value: ({ scores }, side) => scores[scoreKey(SIMILARITY, side)]
}
