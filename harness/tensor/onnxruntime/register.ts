import * as tf from '@tensorflow/tfjs-core'
import { provideOps } from '../ops'
import { ORT_BACKEND, OrtBackend } from './backend'
import { defineFusedOps } from './fused'
import { defineElementwise } from './kernels/elementwise'
import { defineLayout } from './kernels/layout'
import { defineProducts } from './kernels/products'
import { defineReductions } from './kernels/reduce'

/**
 * Makes the `onnxruntime` backend known to TensorFlow.js: the cpu backend's kernels, ours in place of those that are slow there,
 * and the fused ops. Throws where ONNX Runtime has no native library. Another number of threads means a new backend, without the
 * old one's tensors.
 */
export function registerOrtBackend(threads: number): void {
  const present = tf.findBackend(ORT_BACKEND)
  if (present instanceof OrtBackend && present.runtime.threads === threads) return
  const backend = new OrtBackend(threads)
  if (present !== null) tf.removeBackend(ORT_BACKEND)
  else defineKernels()
  tf.registerBackend(ORT_BACKEND, () => backend)
}

function defineKernels(): void {
  tf.copyRegisteredKernels('cpu', ORT_BACKEND)
  defineProducts()
  defineElementwise()
  defineReductions()
  defineLayout()
  provideOps(ORT_BACKEND, defineFusedOps())
}
