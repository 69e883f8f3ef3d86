import type * as tf from '@tensorflow/tfjs-core'
import type { RotaryStyle } from '../../ops'
import { defineFusedOp } from '../define'
import { type Program, program, sizeOf } from '../runtime'

const swapMiddle = program('swap middle axes', (g) => g.op('Transpose', [g.input()], { perm: [0, 2, 1, 3] }))

/** `[batch, seq, heads·headDim]` <-> `[batch, heads, seq, headDim]`; each is the other's gradient. */
export function defineSplitHeads() {
  const apply = defineFusedOp<{ heads: number }>({
    name: 'FusedSplitHeads',
    forward({ inputs: { x }, attrs: { heads }, backend }) {
      const [batch, seq, width] = x!.shape as [number, number, number]
      const dims = [batch, heads, seq, width / heads]
      const split = backend.operand(x!, [batch, seq, heads, width / heads])
      return [backend.tensor(backend.runtime.compute(swapMiddle, [split], dims, sizeOf(dims)), dims)]
    },
    backward({ dy, backend }) {
      const [batch, heads, seq, headDim] = dy.shape as [number, number, number, number]
      return {
        x: () =>
          backend.runtime.compute(swapMiddle, [backend.operand(dy)], [batch, seq, heads, headDim], sizeOf(dy.shape))
      }
    }
  })
  return (x: tf.Tensor3D, heads: number): tf.Tensor4D => apply({ x }, { heads }) as tf.Tensor4D
}

export function defineMergeHeads() {
  const apply = defineFusedOp<{ heads: number }>({
    name: 'FusedMergeHeads',
    forward({ inputs: { x }, backend }) {
      const [batch, heads, seq, headDim] = x!.shape as [number, number, number, number]
      const merged = backend.runtime.compute(
        swapMiddle,
        [backend.operand(x!)],
        [batch, seq, heads, headDim],
        sizeOf(x!.shape)
      )
      return [backend.tensor(merged, [batch, seq, heads * headDim])]
    },
    backward({ dy, attrs: { heads }, backend }) {
      const [batch, seq, width] = dy.shape as [number, number, number]
      const dims = [batch, heads, seq, width / heads]
      const split = backend.operand(dy, [batch, seq, heads, width / heads])
      return { x: () => backend.runtime.compute(swapMiddle, [split], dims, sizeOf(dims)) }
    }
  })
  return (x: tf.Tensor4D): tf.Tensor3D => apply({ x }, { heads: x.shape[1] }) as tf.Tensor3D
}

/** A rotation's gradient is the rotation back: the same with the sine's sign turned. */
function rotation(rotaryDim: number, style: RotaryStyle, back: boolean): Program {
  return program(`rotary ${rotaryDim} ${style}${back ? ' back' : ''}`, (g) => {
    const x = g.input()
    const cos = g.input()
    const sin = g.input()
    return g.op('RotaryEmbedding', [x, cos, back ? g.op('Neg', [sin]) : sin], {
      interleaved: { int: style === 'interleaved' ? 1 : 0 },
      rotary_embedding_dim: { int: rotaryDim }
    })
  })
}

export function defineRotary() {
  const apply = defineFusedOp<{ style: RotaryStyle }>({
    name: 'FusedRotary',
    saveInputs: ['cos', 'sin'],
    forward({ inputs: { x, cos, sin }, attrs: { style }, backend }) {
      const operands = [x!, cos!, sin!].map((t) => backend.operand(t))
      const turned = backend.runtime.compute(
        rotation(2 * cos!.shape[2]!, style, false),
        operands,
        x!.shape,
        sizeOf(x!.shape) * 4
      )
      return [backend.tensor(turned, x!.shape)]
    },
    backward({ dy, saved: [cos, sin], attrs: { style }, backend }) {
      const operands = [dy, cos!, sin!].map((t) => backend.operand(t))
      const back = rotation(2 * cos!.shape[2]!, style, true)
      return { x: () => backend.runtime.compute(back, operands, dy.shape, sizeOf(dy.shape) * 4) }
    }
  })
  return (x: tf.Tensor4D, cos: tf.Tensor3D, sin: tf.Tensor3D, style: RotaryStyle): tf.Tensor4D =>
    apply({ x, cos, sin }, { style }) as tf.Tensor4D
}
