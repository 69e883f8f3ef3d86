import type * as tf from '@tensorflow/tfjs-core'
import type { LanguageModel } from '../../harness/model'

/** Logits of streams after the last block: `[rows, dim]` -> `[rows, vocab]`. */
export function logitsFrom(model: LanguageModel, stream: tf.Tensor2D): tf.Tensor2D {
  const [rows, dim] = stream.shape
  const each = Int32Array.from({ length: rows }, (_, i) => i)
  return model.forward(
    { ids: new Int32Array(rows), batch: rows, seq: 1, lengths: new Array<number>(rows).fill(1) },
    {
      from: { layer: model.config.layers, hidden: stream.reshape([rows, 1, dim]) },
      logitsAt: { rows: each, positions: new Int32Array(rows) }
    }
  ).logits!
}
