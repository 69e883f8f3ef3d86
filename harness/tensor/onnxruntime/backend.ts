import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import type { Operand } from './ort'
import type { PoolStats } from './pool'
import { OrtRuntime, operand } from './runtime'

/** What the backend itself adds to `tf.memory()`. */
export interface OrtMemory extends PoolStats {
  readonly unreliable: boolean
}

/**
 * Storage of the `onnxruntime` backend: typed arrays, as in TensorFlow.js's `cpu` backend, whose kernels therefore work here
 * unchanged wherever we have none of our own. Memory of disposed tensors is reused.
 */
export class OrtBackend extends MathBackendCPU {
  readonly runtime: OrtRuntime

  constructor(threads: number) {
    super()
    this.runtime = new OrtRuntime(threads)
  }

  override write(values: tf.backend_util.BackendValues, _shape: number[], dtype: tf.DataType): object {
    const dataId = {}
    if (ArrayBuffer.isView(values)) this.runtime.pool.hold(values)
    this.data.set(dataId, { values, dtype, refCount: 1 })
    return dataId
  }

  override disposeData(dataId: object, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined
    const gone = super.disposeData(dataId, force)
    if (gone && ArrayBuffer.isView(values)) this.runtime.pool.release(values)
    return gone
  }

  /** Values leave the backend as a copy when their memory is going to be reused. */
  override readSync(dataId: object): tf.backend_util.BackendValues {
    const values = super.readSync(dataId)
    return values instanceof Float32Array && this.runtime.pool.owns(values) ? values.slice() : values
  }

  override memory(): OrtMemory & { reasons: string[] } {
    return { unreliable: false, reasons: [], ...this.runtime.pool.stats() }
  }

  /** The stored values of a float tensor, not to be written to. */
  floats(t: tf.TensorInfo): Float32Array {
    const entry = this.data.get(t.dataId)
    // The cpu backend casts int32 to float32 by changing the label alone.
    if (!(entry.values instanceof Float32Array)) entry.values = Float32Array.from(entry.values as Int32Array)
    return entry.values
  }

  /** The stored values of an int32 or bool tensor, not to be written to. */
  integers(t: tf.TensorInfo): Int32Array | Uint8Array {
    return this.data.get(t.dataId).values as Int32Array | Uint8Array
  }

  /** A float tensor as an operand, seen with other dims when given. */
  operand(t: tf.TensorInfo, dims: readonly number[] = t.shape): Operand {
    return operand(this.floats(t), dims)
  }

  /** A tensor over these values, which it owns from now on. */
  tensor(values: Float32Array | Int32Array, shape: readonly number[]): tf.TensorInfo {
    return this.makeTensorInfo([...shape], values instanceof Float32Array ? 'float32' : 'int32', values)
  }
}

/** The backend in use, when it is this one. */
export function activeOrtBackend(): OrtBackend | undefined {
  const backend = tf.getBackend() === ORT_BACKEND ? tf.backend() : undefined
  return backend instanceof OrtBackend ? backend : undefined
}

export const ORT_BACKEND = 'onnxruntime'
