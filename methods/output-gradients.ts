import * as tf from '@tensorflow/tfjs-core'
import type { LanguageModel, TokenBatch } from '../harness/model'
import { crossEntropy } from '../harness/tensor'

/** A token that a row is to predict. */
export interface Label {
  readonly row: number
  readonly position: number
  readonly label: number
}

/**
 * Inputs of some linear maps, and the gradients of a loss at their outputs, at some places of a batch.
 * @param shares of every label in the loss
 * @param places `row · seq + position`
 * @param lowest block of the first of the maps: nothing below it is differentiated
 * @returns of every map, `[places, in]` and `[places, out]`; and the loss of every label
 */
export function outputGradients(
  model: LanguageModel,
  batch: TokenBatch,
  at: readonly Label[],
  shares: readonly number[],
  places: Int32Array,
  sites: readonly string[],
  lowest: number
): { inputs: Float32Array[]; gradients: Float32Array[]; each: Float32Array } {
  const inputs: Float32Array[] = []
  let each = new Float32Array()
  let gradients: Float32Array[] = []
  tf.tidy(() => {
    const atPlaces = (t: tf.Tensor) =>
      tf.gather(t.reshape([-1, t.shape[2]!]), tf.tensor1d(places, 'int32')).dataSync() as Float32Array
    const entering = model.forward(batch, { to: lowest }).hidden
    const nothing = sites.map((site) => tf.zeros([batch.batch, batch.seq, model.weightShape(`${site}.weight`)![0]!]))
    const grads = tf.grads((...added: tf.Tensor[]): tf.Scalar => {
      const { logits, captured } = model.forward(batch, {
        from: { layer: lowest, hidden: entering },
        capture: sites.map((site) => `${site}:in`),
        changes: new Map(sites.map((site, i) => [site, (_, y) => y.add(added[i]!)])),
        logitsAt: { rows: Int32Array.from(at, (a) => a.row), positions: Int32Array.from(at, (a) => a.position) }
      })
      for (const site of sites) inputs.push(atPlaces(captured[`${site}:in`]!))
      const losses = crossEntropy(
        logits!,
        tf.tensor1d(
          at.map((a) => a.label),
          'int32'
        )
      )
      each = losses.dataSync() as Float32Array<ArrayBuffer>
      return losses.mul(tf.tensor1d([...shares])).sum()
    })(nothing)
    gradients = grads.map(atPlaces)
  })
  return { inputs, gradients, each }
}
