import * as tf from '@tensorflow/tfjs-core'
import { activeOrtBackend } from './onnxruntime/backend'

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

/** Copies a float tensor's values into an array, without one of their own on the way where the backend allows it. */
export function copyValues(tensor: tf.Tensor, into: Float32Array): void {
  into.set(activeOrtBackend()?.floats(tensor) ?? tensor.dataSync<'float32'>())
}

/** Arrays one after another. */
export function joined(arrays: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(arrays.reduce((sum, a) => sum + a.length, 0))
  let at = 0
  for (const array of arrays) {
    all.set(array, at)
    at += array.length
  }
  return all
}
