import type { ElementType, Value } from './onnx'
import { GraphBuilder } from './onnx'
import type { NativeBinding, Operand, Session } from './ort'
import { loadOrt, openSession, operand } from './ort'
import { BufferPool } from './pool'

/** A graph to run: `key` names it (with every constant baked in), `build` emits it and returns its outputs. */
export interface Program {
  readonly key: string
  readonly build: (graph: GraphBuilder) => readonly Value[]
  readonly outputType: ElementType
}

export function program(
  key: string,
  build: (graph: GraphBuilder) => Value | readonly Value[],
  outputType: ElementType = 'float32'
): Program {
  return {
    key,
    outputType,
    build: (graph) => {
      const outputs = build(graph)
      return typeof outputs === 'string' ? [outputs] : outputs
    }
  }
}

/** Below this many elementary operations, waking a second thread costs more (10-30 µs) than it saves. */
const PARALLEL_WORK = 1 << 18
/** Memory kept for reuse. */
const POOL_BYTES = 1 << 30

interface OpenSession {
  readonly session: Session
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

/** Runs programs on ONNX Runtime over memory of its own pool. Sessions are opened when first needed and kept. */
export class OrtRuntime {
  readonly threads: number
  readonly pool = new BufferPool(POOL_BYTES)
  readonly #binding: NativeBinding
  readonly #serial = new Map<string, OpenSession>()
  readonly #parallel = new Map<string, OpenSession>()
  /** Calls so far by program key, for tests and profiles. */
  readonly calls = new Map<string, number>()

  constructor(threads: number) {
    this.threads = threads
    this.#binding = loadOrt()
  }

  /** Fills `outputs` from `inputs`. `work` is the number of elementary operations, which decides about threads. */
  run(what: Program, inputs: readonly Operand[], outputs: readonly Operand[], work: number): void {
    const { session, inputs: inputNames, outputs: outputNames } = this.#open(what, work)
    const feeds: Record<string, Operand> = {}
    const fetches: Record<string, Operand> = {}
    for (let i = 0; i < inputNames.length; i++) feeds[inputNames[i]!] = inputs[i]!
    for (let i = 0; i < outputNames.length; i++) fetches[outputNames[i]!] = outputs[i]!
    this.calls.set(what.key, (this.calls.get(what.key) ?? 0) + 1)
    session.run(feeds, fetches)
  }

  /** Runs a program with one float output of the given shape and returns its values, in pooled memory. */
  compute(what: Program, inputs: readonly Operand[], dims: readonly number[], work: number): Float32Array {
    const out = this.pool.allocate(sizeOf(dims))
    if (out.length > 0) this.run(what, inputs, [operand(out, dims)], work)
    return out
  }

  #open(what: Program, work: number): OpenSession {
    const parallel = this.threads > 1 && work >= PARALLEL_WORK
    const sessions = parallel ? this.#parallel : this.#serial
    const known = sessions.get(what.key)
    if (known !== undefined) return known
    const graph = new GraphBuilder()
    const outputs = what.build(graph)
    const model = graph.build(outputs.map((name) => [name, what.outputType]))
    const session = openSession(this.#binding, model, parallel ? this.threads : 1)
    const opened = { session, inputs: Array.from({ length: graph.inputCount }, (_, i) => `in${i}`), outputs }
    sessions.set(what.key, opened)
    return opened
  }
}

export { operand }

export function sizeOf(dims: readonly number[]): number {
  let size = 1
  for (const d of dims) size *= d
  return size
}
