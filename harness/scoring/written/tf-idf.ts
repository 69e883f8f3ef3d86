/*
 * TF-IDF as scikit-learn's `TfidfVectorizer` computes it by default: words of two letters or more in lower case, counts times smoothed inverse document
 * frequencies.
 */

const WORD = /[\p{L}\p{N}_]{2,}/gu

const countsOf = (text: string): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const [word] of text.toLowerCase().matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts
}

export class TfIdf {
  readonly #documents = new Map<string, number>()
  #count = 0

  /** @param documents by which words are rare or common */
  constructor(documents: Iterable<string>) {
    for (const text of documents) {
      this.#count++
      for (const word of countsOf(text).keys()) this.#documents.set(word, (this.#documents.get(word) ?? 0) + 1)
    }
  }

  /** Cosine of two texts; 0 where one has no word that the documents have. */
  similarity(a: string, b: string): number {
    const [u, v] = [this.#weights(a), this.#weights(b)]
    let dot = 0
    for (const [word, weight] of u) dot += weight * (v.get(word) ?? 0)
    return dot === 0 ? 0 : dot / length(u) / length(v)
  }

  #weights(text: string): Map<string, number> {
    const weights = new Map<string, number>()
    for (const [word, count] of countsOf(text)) {
      const documents = this.#documents.get(word)
      if (documents !== undefined) weights.set(word, count * (Math.log((1 + this.#count) / (1 + documents)) + 1))
    }
    return weights
  }
}

const length = (weights: ReadonlyMap<string, number>): number => {
  let sum = 0
  for (const weight of weights.values()) sum += weight * weight
  return Math.sqrt(sum)
}
