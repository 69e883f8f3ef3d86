import * as tf from '@tensorflow/tfjs-core'
import { batchesByLength, type LanguageModel, padBatch } from '../../harness/model'
import type { FactRow } from './facts'

/** What the model computes for a row before the edit. */
export interface SubjectState {
  /** Input and output of W_proj at the subject's last token: the key `[dFf]` and the value `[dim]`. */
  readonly key: Float32Array
  readonly value: Float32Array
  /** Residual stream after the edited block at every token of the row, `[tokens, dim]`. */
  readonly hidden: Float32Array
}

/** Runs the blocks up to the edited one, once for every row. */
export function subjectStates(model: LanguageModel, rows: readonly FactRow[], layer: number): SubjectState[] {
  const states = new Array<SubjectState>(rows.length)
  for (const batch of batchesByLength(rows.map((r) => r.ids.length))) {
    const some = batch.map((i) => rows[i]!)
    for (const [k, state] of statesOf(model, some, layer).entries()) states[batch[k]!] = state
  }
  return states
}

function statesOf(model: LanguageModel, rows: readonly FactRow[], layer: number): SubjectState[] {
  const site = `layers.${layer}.mlp.proj`
  const { dim } = model.config
  const tokens = padBatch(rows.map((r) => r.ids))
  const at = Int32Array.from(rows, (row, i) => i * tokens.seq + row.subject)
  let keys!: Float32Array
  let values!: Float32Array
  let stream!: Float32Array
  tf.tidy(() => {
    const { hidden, captured } = model.forward(tokens, { to: layer + 1, capture: [`${site}:in`, site] })
    const atSubject = (t: tf.Tensor3D) =>
      tf.gather(t.reshape([-1, t.shape[2]]), tf.tensor1d(at, 'int32')).dataSync() as Float32Array
    keys = atSubject(captured[`${site}:in`]!) // [rows, dFf]
    values = atSubject(captured[site]!) // [rows, dim]
    stream = hidden.dataSync() as Float32Array // [rows, seq, dim]
  })
  const width = keys.length / rows.length
  return rows.map(({ ids }, i) => ({
    key: keys.slice(i * width, (i + 1) * width),
    value: values.slice(i * dim, (i + 1) * dim),
    hidden: stream.slice(i * tokens.seq * dim, (i * tokens.seq + ids.length) * dim)
  }))
}
