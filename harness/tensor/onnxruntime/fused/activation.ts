import type * as tf from '@tensorflow/tfjs-core'
import { defineFusedOp } from '../define'
import { type GraphBuilder, MICROSOFT, type Value } from '../onnx'
import { program, sizeOf } from '../runtime'

/** Elementary operations an element of these functions costs, about: exponentials dominate. */
const WORK = 16

const K = Math.sqrt(2 / Math.PI)
const CUBIC = 0.044715

const geluForward = program('gelu', (g) => g.op('Gelu', [g.input()], { approximate: 'tanh' }))

/**
 * With u = 2k(x + cx³) the tanh form is x·σ(u), so its derivative is σ(u)·(1 + (1 - σ(u))·x·u′) where x·u′ = 3u - 4kx.
 */
const geluBackward = program('gelu dX', (g) => {
  const x = g.input()
  const dy = g.input()
  const slope = g.op('Add', [g.op('Mul', [g.op('Mul', [x, x]), g.scalar(2 * K * CUBIC)]), g.scalar(2 * K)])
  const u = g.op('Mul', [x, slope])
  const sigma = g.op('Sigmoid', [u])
  const xTimesSlope = g.op('Sub', [g.op('Mul', [u, g.scalar(3)]), g.op('Mul', [x, g.scalar(4 * K)])])
  return g.op('Mul', [dy, sigmaTimes(g, sigma, xTimesSlope)])
})

const geluErfForward = program('gelu erf', (g) => g.op('Gelu', [g.input()]))

/** Φ(x) + x·φ(x), with the normal distribution Φ and density φ. */
const geluErfBackward = program('gelu erf dX', (g) => {
  const x = g.input()
  const dy = g.input()
  const erf = g.op('Erf', [g.op('Mul', [x, g.scalar(Math.SQRT1_2)])])
  const distribution = g.op('Mul', [g.op('Add', [erf, g.scalar(1)]), g.scalar(0.5)])
  const exponent = g.op('Mul', [g.op('Mul', [x, x]), g.scalar(-0.5)])
  const density = g.op('Mul', [g.op('Exp', [exponent]), g.scalar(1 / Math.sqrt(2 * Math.PI))])
  return g.op('Mul', [dy, g.op('Add', [distribution, g.op('Mul', [x, density])])])
})

/** σ·(1 + (1 - σ)·e): the derivative of e.g. x·σ(x) for e = x. */
function sigmaTimes(g: GraphBuilder, sigma: Value, e: Value): Value {
  const rest = g.op('Mul', [g.op('Sub', [g.scalar(1), sigma]), e])
  return g.op('Mul', [sigma, g.op('Add', [rest, g.scalar(1)])])
}

const siluOf = (g: GraphBuilder, x: Value) => g.op('QuickGelu', [x], { alpha: 1 }, MICROSOFT)
const siluSlope = (g: GraphBuilder, x: Value) => sigmaTimes(g, g.op('Sigmoid', [x]), x)

const siluForward = program('silu', (g) => siluOf(g, g.input()))
const siluBackward = program('silu dX', (g) => {
  const x = g.input()
  return g.op('Mul', [g.input(), siluSlope(g, x)])
})
const swigluForward = program('swiglu', (g) => g.op('Mul', [siluOf(g, g.input()), g.input()]))
const swigluGate = program('swiglu dGate', (g) => {
  const gate = g.input()
  const up = g.input()
  const dy = g.input()
  return g.op('Mul', [g.op('Mul', [dy, up]), siluSlope(g, gate)])
})
const swigluUp = program('swiglu dUp', (g) => g.op('Mul', [siluOf(g, g.input()), g.input()]))

/** An elementwise function of one tensor. */
function defineUnary(name: string, forward: typeof geluForward, backward: typeof geluForward) {
  const apply = defineFusedOp({
    name,
    saveInputs: ['x'],
    forward({ inputs: { x }, backend }) {
      const n = sizeOf(x!.shape)
      return [backend.tensor(backend.runtime.compute(forward, [backend.operand(x!, [n])], [n], n * WORK), x!.shape)]
    },
    backward({ dy, saved: [x], backend }) {
      const n = sizeOf(x!.shape)
      return {
        x: () => backend.runtime.compute(backward, [backend.operand(x!, [n]), backend.operand(dy, [n])], [n], n * WORK)
      }
    }
  })
  return (x: tf.Tensor): tf.Tensor => apply({ x }, {})
}

export const defineGelu = () => defineUnary('FusedGelu', geluForward, geluBackward)
export const defineGeluErf = () => defineUnary('FusedGeluErf', geluErfForward, geluErfBackward)
export const defineSilu = () => defineUnary('FusedSilu', siluForward, siluBackward)

export function defineSwiglu() {
  const apply = defineFusedOp({
    name: 'FusedSwiglu',
    saveInputs: ['gate', 'up'],
    forward({ inputs: { gate, up }, backend }) {
      const n = sizeOf(gate!.shape)
      const operands = [backend.operand(gate!, [n]), backend.operand(up!, [n])]
      return [backend.tensor(backend.runtime.compute(swigluForward, operands, [n], n * WORK), gate!.shape)]
    },
    backward({ dy, saved: [gate, up], backend }) {
      const n = sizeOf(gate!.shape)
      const flat = (t: tf.TensorInfo) => backend.operand(t, [n])
      const { runtime } = backend
      return {
        gate: () => runtime.compute(swigluGate, [flat(gate!), flat(up!), flat(dy)], [n], n * WORK),
        up: () => runtime.compute(swigluUp, [flat(gate!), flat(dy)], [n], n * WORK)
      }
    }
  })
  return (gate: tf.Tensor, up: tf.Tensor): tf.Tensor => apply({ gate, up }, {})
}
