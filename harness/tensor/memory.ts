import * as tf from '@tensorflow/tfjs-core'

/**
 * Keeps the largest number of bytes that tensors held at one time. TensorFlow.js counts the bytes of all tensors, on every backend; this
 * only looks at each change.
 */
let peak = 0
let watching: object | undefined

function watch(): void {
  const { state } = tf.engine()
  if (watching === state) return
  watching = state
  let bytes = state.numBytes
  Object.defineProperty(state, 'numBytes', {
    configurable: true,
    get: () => bytes,
    set(value: number) {
      bytes = value
      if (value > peak) peak = value
    }
  })
}

/** Starts to measure. @returns a function that gives the most bytes tensors held since then, over what they held at the start */
export function watchTensorBytes(): () => number {
  watch()
  const start = tf.engine().state.numBytes
  peak = start
  return () => peak - start
}
