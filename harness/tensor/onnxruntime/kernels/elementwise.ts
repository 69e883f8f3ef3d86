import * as tf from '@tensorflow/tfjs-core'
import { cpuKernel, defineKernel } from '../define'
import type { GraphBuilder, Value } from '../onnx'
import { program, sizeOf } from '../runtime'
import { broadcastShapes } from './products'

/** Below this many elements a JavaScript loop is done before a call to ONNX Runtime has begun. */
const SMALL = 4096

type Unary = readonly [emit: (g: GraphBuilder, x: Value) => Value, workPerElement: number]

const UNARY: Readonly<Record<string, Unary>> = {
  [tf.Exp]: [(g, x) => g.op('Exp', [x]), 8],
  [tf.Log]: [(g, x) => g.op('Log', [x]), 8],
  [tf.Tanh]: [(g, x) => g.op('Tanh', [x]), 8],
  [tf.Sigmoid]: [(g, x) => g.op('Sigmoid', [x]), 8],
  [tf.Erf]: [(g, x) => g.op('Erf', [x]), 8],
  [tf.Sqrt]: [(g, x) => g.op('Sqrt', [x]), 2],
  [tf.Rsqrt]: [(g, x) => g.op('Reciprocal', [g.op('Sqrt', [x])]), 4],
  [tf.Square]: [(g, x) => g.op('Mul', [x, x]), 1],
  [tf.Neg]: [(g, x) => g.op('Neg', [x]), 1],
  [tf.Abs]: [(g, x) => g.op('Abs', [x]), 1],
  [tf.Relu]: [(g, x) => g.op('Relu', [x]), 1]
}

interface Binary {
  readonly onnx: (g: GraphBuilder, a: Value, b: Value) => Value
  readonly loop: (a: Float32Array, b: Float32Array, out: Float32Array) => void
}

/** Each loop wraps the index of the shorter operand: a scalar, or values repeated along the leading axes. */
const BINARY: Readonly<Record<string, Binary>> = {
  [tf.Add]: {
    onnx: (g, a, b) => g.op('Add', [a, b]),
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) out[i] = a[i % a.length]! + b[i % b.length]!
    }
  },
  [tf.Sub]: {
    onnx: (g, a, b) => g.op('Sub', [a, b]),
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) out[i] = a[i % a.length]! - b[i % b.length]!
    }
  },
  [tf.Multiply]: {
    onnx: (g, a, b) => g.op('Mul', [a, b]),
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) out[i] = a[i % a.length]! * b[i % b.length]!
    }
  },
  [tf.RealDiv]: {
    onnx: (g, a, b) => g.op('Div', [a, b]),
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) out[i] = a[i % a.length]! / b[i % b.length]!
    }
  },
  [tf.Maximum]: {
    onnx: (g, a, b) => g.op('Max', [a, b]),
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) out[i] = Math.max(a[i % a.length]!, b[i % b.length]!)
    }
  },
  [tf.Minimum]: {
    onnx: (g, a, b) => g.op('Min', [a, b]),
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) out[i] = Math.min(a[i % a.length]!, b[i % b.length]!)
    }
  },
  [tf.SquaredDifference]: {
    onnx: (g, a, b) => {
      const difference = g.op('Sub', [a, b])
      return g.op('Mul', [difference, difference])
    },
    loop: (a, b, out) => {
      for (let i = 0; i < out.length; i++) {
        const difference = a[i % a.length]! - b[i % b.length]!
        out[i] = difference * difference
      }
    }
  }
}

export function defineElementwise(): void {
  for (const [name, [emit, workPerElement]] of Object.entries(UNARY)) {
    const fallback = cpuKernel(name)
    const large = program(name, (g) => emit(g, g.input()))
    defineKernel(name, (call) => {
      const x = call.inputs.x!
      const n = sizeOf(x.shape)
      if (x.dtype !== 'float32' || n < SMALL) return fallback(call)
      const { backend } = call
      return backend.tensor(backend.runtime.compute(large, [backend.operand(x, [n])], [n], n * workPerElement), x.shape)
    })
  }
  for (const [name, { onnx, loop }] of Object.entries(BINARY)) {
    const fallback = cpuKernel(name)
    const large = program(name, (g) => onnx(g, g.input(), g.input()))
    defineKernel(name, (call) => {
      const { a, b } = call.inputs as { a: tf.TensorInfo; b: tf.TensorInfo }
      if (a.dtype !== 'float32' || b.dtype !== 'float32') return fallback(call)
      const { backend } = call
      const dims = broadcastShapes(a.shape, b.shape)
      const n = sizeOf(dims)
      if (n >= SMALL) {
        return backend.tensor(backend.runtime.compute(large, [backend.operand(a), backend.operand(b)], dims, n), dims)
      }
      if (!isSuffix(a.shape, dims) || !isSuffix(b.shape, dims)) return fallback(call)
      const out = backend.runtime.pool.allocate(n)
      loop(backend.floats(a), backend.floats(b), out)
      return backend.tensor(out, dims)
    })
  }
}

/** Whether a tensor of this shape repeats as a whole along the leading axes of `dims`. */
function isSuffix(shape: readonly number[], dims: readonly number[]): boolean {
  const size = sizeOf(shape)
  return size === 1 || size === sizeOf(dims.slice(dims.length - shape.length))
}
