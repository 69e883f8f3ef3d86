import * as tf from '@tensorflow/tfjs-core'

/**
 * Values of the float tensor that `work` makes; what it made on the way is disposed. `tf.tidy` would walk through returned values element by
 * element, looking for tensors, and run out of stack space in large ones.
 */
export function valuesOf(work: () => tf.Tensor): Float32Array {
  const tensor = tf.tidy(work)
  const values = tensor.dataSync<'float32'>()
  tensor.dispose()
  return values
}
