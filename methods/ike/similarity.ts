import * as tf from '@tensorflow/tfjs-core'
import type { LanguageModel } from '../../harness/model'

/**
 * Embeddings of texts, `[texts, dim]`: the mean of the model's own token embeddings, of length 1. The official code takes a sentence encoder
 * (all-MiniLM-L6-v2); README.md says what that changes.
 */
export function embed(model: LanguageModel, texts: readonly string[]): Float32Array {
  const { dim } = model.config
  const weight = model.weight('embed.weight') // [vocab, dim]
  const out = new Float32Array(texts.length * dim)
  for (const [i, text] of texts.entries()) {
    const ids = model.tokenizer.encode(text)
    const mean = tf.tidy(() => {
      const sum = tf.gather(weight, tf.tensor1d(ids, 'int32')).sum(0)
      return sum.div(tf.maximum(sum.norm(), 1e-12))
    })
    out.set(mean.dataSync() as Float32Array, i * dim)
    mean.dispose()
  }
  return out
}

/** Indexes of the `k` most similar of some texts, the most similar first; those with equal similarity in their order. */
export function nearest(
  query: Float32Array,
  embeddings: Float32Array,
  k: number,
  accept: (index: number) => boolean
): number[] {
  const dim = query.length
  const similar: { index: number; similarity: number }[] = []
  for (let index = 0; index < embeddings.length / dim; index++) {
    if (!accept(index)) continue
    let similarity = 0
    for (let j = 0; j < dim; j++) similarity += query[j]! * embeddings[index * dim + j]!
    similar.push({ index, similarity })
  }
  return similar
    .sort((a, b) => b.similarity - a.similarity || a.index - b.index)
    .slice(0, k)
    .map((s) => s.index)
}
