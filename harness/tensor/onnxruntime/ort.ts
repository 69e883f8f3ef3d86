import { isMainThread } from 'node:worker_threads'
import { UNREADABLE } from './onnx'

/** A tensor as the native binding sees it: memory of ours, read and written in place. */
export interface Operand {
  readonly data: Float32Array | Int32Array
  readonly type: 'float32' | 'int32'
  readonly dims: readonly number[]
  readonly location: 'cpu'
}

/** These values as an operand of the given dims, without a copy. */
export function operand(data: Float32Array | Int32Array, dims: readonly number[]): Operand {
  return { data, type: data instanceof Float32Array ? 'float32' : 'int32', dims, location: 'cpu' }
}

/** What the binding constructs for every output. The package's own Tensor class would check for nothing. */
class Discarded {}

/**
 * After a run the binding copies every output into fresh memory, also those it has just written to memory of ours: time, and garbage
 * without end. So the first output of our graphs is of a type it has no values for. It gives up there, when all is computed
 * and nothing is copied; every other error is one.
 */
const GIVES_UP = /^Tensor type \(16\) is not supported/
/** Bytes from which on a copy costs more than giving up. */
const LEAST_COPY = 32_768

/** An ONNX model ready to run, synchronously. */
export interface Session {
  run(feeds: Record<string, Operand>, fetches: Record<string, Operand>): void
}

/** The native half of onnxruntime-node: internal to that package, hence its pinned version and this single file. */
interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void
  run(feeds: Record<string, Operand>, fetches: Record<string, Operand | null>, options: object): unknown
  dispose(): void
}

interface NativeBinding {
  InferenceSession: new () => NativeSession
  initOrtOnce(logLevel: number, tensorClass: unknown, mainThread: boolean): void
}

const LOG_ERRORS = 3
const RUN_OPTIONS = Object.freeze({})

/** Opens ONNX Runtime's synchronous interface, or throws saying why this machine has none. */
export function loadOrt(): NativeBinding {
  // The library reports its use to its makers, by default: it looks up a host of theirs and keeps a device id and an event database under the
  // user's cache. Nothing leaves the machine from here, and nothing is written outside our folders.
  process.env.ORT_DISABLE_TELEMETRY = '1'
  let binding: NativeBinding
  try {
    binding = require('onnxruntime-node/dist/binding.js').binding
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new Error(`onnxruntime-node has no native library for ${process.platform}/${process.arch}: ${reason}`)
  }
  if (typeof binding?.initOrtOnce !== 'function' || typeof binding.InferenceSession !== 'function') {
    throw new Error('onnxruntime-node is present, but not the version whose internal interface is known here (1.30)')
  }
  binding.initOrtOnce(LOG_ERRORS, Discarded, isMainThread)
  return binding
}

/**
 * Every session owns a pool of `threads - 1` helpers. They must sleep, not spin, while idle: dozens of spinning pools
 * would take the cores from the one that works.
 */
export function openSession(binding: NativeBinding, model: Buffer, threads: number): Session {
  const session = new binding.InferenceSession()
  session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    enableCpuMemArena: true,
    enableMemPattern: false,
    logSeverityLevel: LOG_ERRORS,
    extra: { session: { intra_op: { allow_spinning: '0' } } }
  })
  return {
    run: (feeds, fetches) => {
      if (Object.values(fetches).every(({ data }) => data.byteLength < LEAST_COPY)) {
        session.run(feeds, fetches, RUN_OPTIONS)
        return
      }
      try {
        session.run(feeds, { ...fetches, [UNREADABLE]: null }, RUN_OPTIONS)
      } catch (error) {
        // Of the program's own realm, which `instanceof` need not know.
        if (!GIVES_UP.test((error as Error).message)) throw error
      }
    }
  }
}

export type { NativeBinding }
