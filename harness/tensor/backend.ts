import { availableParallelism } from 'node:os'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../errors'
import './tfjs'
import { registerOrtBackend } from './onnxruntime/register'

/** What executes the kernels behind the TensorFlow.js API. */
export const BACKENDS = ['tensorflow', 'onnxruntime', 'cpu'] as const
export type BackendName = (typeof BACKENDS)[number]

export interface BackendOptions {
  /** Threads of large kernels; the number of cores when missing. Only `onnxruntime` obeys it. */
  readonly threads?: number
}

/** One backend that selection looked at: `reason` says why it is not available, or what it is. */
export interface BackendTrial {
  readonly name: BackendName
  readonly ok: boolean
  readonly reason: string
}

export interface BackendChoice {
  readonly name: BackendName
  readonly tried: readonly BackendTrial[]
}

/**
 * Selects the backend for everything that follows. `auto` takes the first one that loads: tensorflow (native library of the
 * optional package @tensorflow/tfjs-node), onnxruntime, cpu.
 */
export async function useBackend(name: BackendName | 'auto', options: BackendOptions = {}): Promise<BackendChoice> {
  const tried: BackendTrial[] = []
  for (const candidate of name === 'auto' ? BACKENDS : [name]) {
    const trial = await tryBackend(candidate, options)
    tried.push(trial)
    if (trial.ok) return { name: candidate, tried }
  }
  throw new UserError(`backend '${name}' is not available: ${tried.map((t) => t.reason).join('; ')}`, {
    place: '--backend',
    hint: "leave the backend out, or say 'auto', to get the best one present"
  })
}

async function tryBackend(name: BackendName, options: BackendOptions): Promise<BackendTrial> {
  try {
    const reason = await loaders[name](options)
    if (!(await tf.setBackend(name))) throw new Error('TensorFlow.js refused it')
    await tf.ready()
    return { name, ok: true, reason }
  } catch (error) {
    return { name, ok: false, reason: firstLine(error) }
  }
}

/** Each registers its backend with TensorFlow.js, or throws saying why it cannot; returns what it is. */
const loaders: Record<BackendName, (options: BackendOptions) => Promise<string>> = {
  async tensorflow() {
    try {
      // Optional package: its module registers the backend when its native library loads, and throws otherwise.
      require('@tensorflow/tfjs-node')
    } catch (error) {
      throw new Error(`@tensorflow/tfjs-node did not load: ${firstLine(error)}`)
    }
    return 'TensorFlow C library through @tensorflow/tfjs-node'
  },
  async onnxruntime({ threads = availableParallelism() }) {
    registerOrtBackend(threads)
    return `ONNX Runtime kernels, ${threads} ${threads === 1 ? 'thread' : 'threads'}`
  },
  async cpu() {
    return 'plain JavaScript kernels of TensorFlow.js (reference)'
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n').find((line) => line.trim() !== '') ?? 'unknown error'
}
