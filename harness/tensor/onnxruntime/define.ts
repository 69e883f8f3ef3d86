import * as tf from '@tensorflow/tfjs-core'
import { ORT_BACKEND, type OrtBackend } from './backend'

export type Inputs = Readonly<Record<string, tf.TensorInfo>>
export type Attributes = Readonly<Record<string, unknown>>

/** One kernel of this backend; a tensor it returns is new. */
export interface KernelCall<A extends Attributes = Attributes> {
  readonly inputs: Inputs
  readonly attrs: A
  readonly backend: OrtBackend
}

/** Replaces (or adds) a kernel of the `onnxruntime` backend. */
export function defineKernel(name: string, run: (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[]): void {
  if (tf.getKernel(name, ORT_BACKEND) !== undefined) tf.unregisterKernel(name, ORT_BACKEND)
  tf.registerKernel({
    kernelName: name,
    backendName: ORT_BACKEND,
    kernelFunc: ({ inputs, attrs, backend }) =>
      run({ inputs: inputs as Inputs, attrs: (attrs ?? {}) as Attributes, backend: backend as OrtBackend })
  })
}

/** The kernel of the plain JavaScript backend, run on our storage. */
export function cpuKernel(name: string): (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[] {
  const kernel = tf.getKernel(name, 'cpu')
  if (kernel === undefined) throw new Error(`TensorFlow.js has no cpu kernel '${name}'`)
  return ({ inputs, attrs, backend }) =>
    kernel.kernelFunc({ inputs: inputs as tf.NamedTensorInfoMap, attrs: attrs as tf.NamedAttrMap, backend })
}

/** A differentiable op of our own: one kernel and, for each input, its vector–Jacobian product. */
export interface FusedOp<A extends Attributes> {
  readonly name: string
  /** Inputs, then outputs, that the backward pass needs, in the order in which `backward` gets them. */
  readonly saveInputs?: readonly string[]
  readonly saveOutputs?: readonly boolean[]
  /** First output: the value. Further outputs are for the backward pass alone, so only when `training`. */
  readonly forward: (call: KernelCall<A & Training>) => tf.TensorInfo[]
  /** Computes the gradient of an input when, and only when, it is asked for. Missing inputs are not differentiable. */
  readonly backward: (call: BackwardCall<A>) => Readonly<Record<string, () => Float32Array>>
}

export interface Training extends Attributes {
  /** Whether a gradient may follow. */
  readonly training: boolean
}

export interface BackwardCall<A extends Attributes> {
  /** Gradient of the first output. */
  readonly dy: tf.TensorInfo
  readonly saved: readonly tf.TensorInfo[]
  readonly attrs: A
  readonly backend: OrtBackend
}

/**
 * Registers the op with TensorFlow.js and returns the function that applies it. Gradients registered this way are lazy:
 * TensorFlow.js asks only for those of inputs that depend on what is being differentiated.
 */
export function defineFusedOp<A extends Attributes>(
  op: FusedOp<A>
): (inputs: Record<string, tf.Tensor>, attrs: A) => tf.Tensor {
  defineKernel(op.name, (call) => op.forward(call as unknown as KernelCall<A & Training>))
  if (tf.getGradient(op.name) === undefined)
    tf.registerGradient({
      kernelName: op.name,
      inputsToSave: [...(op.saveInputs ?? [])],
      outputsToSave: [...(op.saveOutputs ?? [])],
      gradFunc: (dys, saved, attrs) => {
        const dy = Array.isArray(dys) ? dys[0]! : dys
        const backend = tf.backend() as OrtBackend
        const inputs = (attrs as unknown as Shapes).inputShapes
        const gradients = op.backward({ dy, saved, attrs: attrs as unknown as A, backend })
        return Object.fromEntries(
          Object.entries(gradients).map(([name, compute]) => [
            name,
            () => tf.engine().makeTensor(compute(), [...inputs[name]!], 'float32')
          ])
        )
      }
    })
  return (inputs, attrs) => {
    const training = tf.engine().state.gradientDepth > 0
    const inputShapes = Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, t.shape]))
    const outputs = tf
      .engine()
      .runKernel(op.name, inputs, { ...attrs, training, inputShapes } as unknown as tf.NamedAttrMap)
    return (outputs as unknown as tf.Tensor[])[0]!
  }
}

interface Shapes {
  readonly inputShapes: Readonly<Record<string, readonly number[]>>
}
