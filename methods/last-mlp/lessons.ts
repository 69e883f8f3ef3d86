import * as tf from '@tensorflow/tfjs-core'
import type { EditRequest } from '../../harness/edit'
import { batchesByLength, type LanguageModel, padBatch } from '../../harness/model'
import { answerRow } from '../answer-row'
import { logitsFrom } from './head'

/** A fact, with what the last block computes where its target's tokens are predicted: nothing before that depends on what is put beside the last MLP. */
export interface Lesson {
  readonly target: readonly number[]
  /** Of prompt and target. */
  readonly tokens: number
  /** What enters the last MLP, what it gives, and the stream after it, `[target tokens, dim]` each. */
  readonly queries: Float32Array
  readonly outputs: Float32Array
  readonly stream: Float32Array
  /** Indices of the target's tokens that the model would not choose. */
  readonly wrong: readonly number[]
}

/** The last block's MLP. */
export const lastMlp = ({ config }: Pick<LanguageModel, 'config'>): string => `layers.${config.layers - 1}.mlp`

export function lessonsOf(model: LanguageModel, requests: readonly EditRequest[]): Lesson[] {
  const { dim } = model.config
  const site = lastMlp(model)
  const rows = requests.map((request) => answerRow(model, request))
  const lessons = new Array<Lesson>(rows.length)
  for (const batch of batchesByLength(rows.map((r) => r.ids.length))) {
    tf.tidy(() => {
      const some = batch.map((i) => rows[i]!)
      const tokens = { ...padBatch(some.map((r) => r.ids)), prompts: some.map((r) => r.first + 1) }
      const { hidden, captured } = model.forward(tokens, { capture: [`${site}:in`, site] })
      const places = some.flatMap(({ first, labels }, row) => labels.map((_, j) => row * tokens.seq + first + j))
      const at = (t: tf.Tensor3D) => tf.gather(t.reshape([-1, dim]), tf.tensor1d(places, 'int32')) as tf.Tensor2D
      const stream = at(hidden)
      const chosen = logitsFrom(model, stream).argMax(1).dataSync()
      const [queries, outputs, streams] = [at(captured[`${site}:in`]!), at(captured[site]!), stream].map(
        (t) => t.dataSync() as Float32Array
      ) as [Float32Array, Float32Array, Float32Array]
      let start = 0
      for (const [k, i] of batch.entries()) {
        const { labels: target } = some[k]!
        const own = (t: Float32Array) => t.slice(start * dim, (start + target.length) * dim)
        const wrong = [...target.keys()].filter((j) => chosen[start + j] !== target[j])
        lessons[i] = {
          target,
          tokens: some[k]!.ids.length,
          queries: own(queries),
          outputs: own(outputs),
          stream: own(streams),
          wrong
        }
        start += target.length
      }
    })
  }
  return lessons
}
