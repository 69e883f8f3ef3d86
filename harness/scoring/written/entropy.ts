import { mean } from '../../statistics/intervals'
import { wordsAndMarks } from './words'

/** n-grams that are counted, and what each entropy weighs. */
const WEIGHTS = [
  [2, 2 / 3],
  [3, 4 / 3]
] as const

/** Entropy of a text's pairs and triples of words in bits, weighted (kmeng01/rome, `compute_n_gram_entropy`): low where a text repeats itself. */
export function ngramEntropy(text: string): number {
  const words = wordsAndMarks(text)
  return mean(WEIGHTS.map(([n, weight]) => weight * entropy(ngrams(words, n))))
}

const ngrams = (words: readonly string[], n: number): string[] =>
  Array.from({ length: Math.max(0, words.length - n + 1) }, (_, i) => words.slice(i, i + n).join('\n'))

/** Bits; of nothing none. */
function entropy(items: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  let bits = 0
  for (const count of counts.values()) bits -= (count / items.length) * Math.log2(count / items.length)
  return bits
}
