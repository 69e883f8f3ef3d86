import type * as tf from '@tensorflow/tfjs-core'
import { defineFusedOp } from '../define'
import { operand, program } from '../runtime'

export const logSoftmax = program('logSoftmax', (g) => g.op('LogSoftmax', [g.input()], { axis: { int: -1 } }))
/** softmax(logits)·dy, row by row; the label's own -dy is subtracted afterwards. */
const scaledProbabilities = program('crossEntropy dLogits', (g) => {
  const logProbabilities = g.input()
  return g.op('Mul', [g.op('Exp', [logProbabilities]), g.input()])
})

const WORK = 8

export function defineCrossEntropy() {
  const apply = defineFusedOp({
    name: 'FusedCrossEntropy',
    saveInputs: ['labels'],
    saveOutputs: [false, true],
    forward({ inputs: { logits, labels }, attrs, backend }) {
      const [rows, vocab] = logits!.shape as [number, number]
      const { runtime } = backend
      const logP = runtime.compute(logSoftmax, [backend.operand(logits!)], [rows, vocab], rows * vocab * WORK)
      const label = backend.integers(labels!)
      const loss = new Float32Array(rows)
      for (let i = 0; i < rows; i++) {
        if (label[i]! < 0 || label[i]! >= vocab)
          throw new RangeError(`label ${label[i]} of row ${i} is not in 0..${vocab - 1}`)
        loss[i] = -logP[i * vocab + label[i]!]!
      }
      const value = backend.tensor(loss, [rows])
      if (attrs.training) return [value, backend.tensor(logP, [rows, vocab])]
      runtime.pool.release(logP)
      return [value]
    },
    backward({ dy, saved: [labels, logP], backend }) {
      const [rows, vocab] = logP!.shape as [number, number]
      return {
        logits: () => {
          const scale = backend.floats(dy)
          const gradient = backend.runtime.compute(
            scaledProbabilities,
            [backend.operand(logP!), operand(scale, [rows, 1])],
            [rows, vocab],
            rows * vocab * WORK
          )
          const label = backend.integers(labels!)
          for (let i = 0; i < rows; i++) {
            const at = i * vocab + label[i]!
            gradient[at] = gradient[at]! - scale[i]!
          }
          return gradient
        }
      }
    }
  })
  return (logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor1D => apply({ logits, labels }, {}) as tf.Tensor1D
}
