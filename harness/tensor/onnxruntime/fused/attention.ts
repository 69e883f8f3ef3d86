import type * as tf from '@tensorflow/tfjs-core'
import { addMatmulFlops } from '../../flops'
import type { AttentionOptions } from '../../ops'
import { causalMask, MASKED } from '../../reference'
import type { OrtBackend } from '../backend'
import { type Attributes, defineFusedOp } from '../define'
import { type GraphBuilder, MICROSOFT, type Value } from '../onnx'
import type { Operand } from '../ort'
import { operand, program, sizeOf } from '../runtime'

/*
 * Query heads that share a key head lie side by side in memory, so grouped-query attention is plain attention over
 * `group·seq` queries: only the dims handed to the graph change. Below, q is [batch, kvHeads, group·seq, headDim].
 */

const forward = ({ scale, softcap: cap }: Scores) =>
  program(`attention ${scale} ${cap}`, (g) => {
    const q = g.input()
    const k = g.input()
    const v = g.input()
    const mask = g.input()
    const scores =
      cap === undefined
        ? g.op('FusedMatMul', [q, k], { transB: { int: 1 }, alpha: scale }, MICROSOFT)
        : g.op('Mul', [squashed(g, q, k, scale, cap), g.scalar(cap)])
    const probabilities = g.op('Softmax', [g.op('Add', [scores, mask])], { axis: { int: -1 } })
    return [g.op('MatMul', [probabilities, v]), probabilities]
  })

/** tanh(S/cap), whose derivative times cap is 1 - tanh². */
const squashed = (g: GraphBuilder, q: Value, k: Value, scale: number, cap: number): Value =>
  g.op('Tanh', [g.op('FusedMatMul', [q, k], { transB: { int: 1 }, alpha: scale / cap }, MICROSOFT)])

/** dV = Pᵀ·dO; dS = P∘(dO·Vᵀ - rowsum(dO∘O)), times the softcap's slope; dQ = scale·dS·K; dK = scale·dSᵀ·Q. */
const backward = ({ scale, softcap: cap }: Scores) =>
  program(`attention backward ${scale} ${cap}`, (g) => {
    const q = g.input()
    const k = g.input()
    const v = g.input()
    const o = g.input()
    const p = g.input()
    const dO = g.input()
    const dV = g.op('FusedMatMul', [p, dO], { transA: { int: 1 } }, MICROSOFT)
    const dP = g.op('FusedMatMul', [dO, v], { transB: { int: 1 } }, MICROSOFT)
    const rowSums = g.op('ReduceSum', [g.op('Mul', [dO, o]), g.ints(-1)], { keepdims: { int: 1 } })
    const capped = g.op('Mul', [p, g.op('Sub', [dP, rowSums])])
    const dS = cap === undefined ? capped : g.op('Mul', [capped, slope(g, squashed(g, q, k, scale, cap))])
    const dQ = g.op('FusedMatMul', [dS, k], { alpha: scale }, MICROSOFT)
    const dK = g.op('FusedMatMul', [dS, q], { transA: { int: 1 }, alpha: scale }, MICROSOFT)
    return [dQ, dK, dV]
  })

const slope = (g: GraphBuilder, tanh: Value): Value => g.op('Sub', [g.scalar(1), g.op('Mul', [tanh, tanh])])

/** How scores come from queries and keys, and which a query sees. */
interface Scores extends Attributes {
  readonly scale: number
  readonly softcap?: number
  readonly window?: number
}

export function defineAttention() {
  const masks = new MaskCache()
  const apply = defineFusedOp<Scores>({
    name: 'FusedAttention',
    saveInputs: ['q', 'k', 'v'],
    saveOutputs: [true, true],
    forward({ inputs: { q, k, v, keyMask }, attrs, backend }) {
      const s = sizes(q!, k!)
      const { runtime } = backend
      const out = runtime.pool.allocate(sizeOf(s.queryDims))
      const probabilities = runtime.pool.allocate(sizeOf(s.scoreDims))
      addMatmulFlops(s.flops)
      runtime.run(
        forward(attrs),
        [
          backend.operand(q!, s.queryDims),
          backend.operand(k!),
          backend.operand(v!),
          masks.get(s, attrs.window, keyMask, backend)
        ],
        [operand(out, s.queryDims), operand(probabilities, s.scoreDims)],
        s.flops
      )
      const value = backend.tensor(out, q!.shape)
      if (attrs.training) return [value, backend.tensor(probabilities, s.scoreDims)]
      runtime.pool.release(probabilities)
      return [value]
    },
    backward({ dy, saved: [q, k, v, o, p], attrs, backend }) {
      const s = sizes(q!, k!)
      const { runtime } = backend
      let gradients: { q: Float32Array; k: Float32Array; v: Float32Array } | undefined
      // One graph yields all three, whichever is asked for first.
      const all = () => {
        if (gradients !== undefined) return gradients
        gradients = {
          q: runtime.pool.allocate(sizeOf(s.queryDims)),
          k: runtime.pool.allocate(sizeOf(k!.shape)),
          v: runtime.pool.allocate(sizeOf(k!.shape))
        }
        addMatmulFlops(2 * s.flops)
        runtime.run(
          backward(attrs),
          [
            backend.operand(q!, s.queryDims),
            backend.operand(k!),
            backend.operand(v!),
            backend.operand(o!, s.queryDims),
            backend.operand(p!),
            backend.operand(dy, s.queryDims)
          ],
          [operand(gradients.q, s.queryDims), operand(gradients.k, k!.shape), operand(gradients.v, k!.shape)],
          2 * s.flops
        )
        return gradients
      }
      return { q: () => all().q, k: () => all().k, v: () => all().v }
    }
  })
  return (q: tf.Tensor4D, k: tf.Tensor4D, v: tf.Tensor4D, { keyMask, ...scores }: AttentionOptions): tf.Tensor4D => {
    const attrs = { scale: 1 / Math.sqrt(q.shape[3]), ...scores }
    return apply(keyMask === undefined ? { q, k, v } : { q, k, v, keyMask }, attrs) as tf.Tensor4D
  }
}

interface Sizes {
  readonly batch: number
  readonly seq: number
  readonly keys: number
  readonly group: number
  readonly queryDims: readonly number[]
  readonly scoreDims: readonly number[]
  readonly flops: number
}

function sizes(q: tf.TensorInfo, k: tf.TensorInfo): Sizes {
  const [batch, heads, seq, headDim] = q.shape as [number, number, number, number]
  const [, kvHeads, keys] = k.shape as [number, number, number, number]
  const group = heads / kvHeads
  return {
    batch,
    seq,
    keys,
    group,
    queryDims: [batch, kvHeads, group * seq, headDim],
    scoreDims: [batch, kvHeads, group * seq, keys],
    flops: 4 * batch * heads * seq * keys * headDim
  }
}

/** Additive masks, kept as long as their key mask lives: every layer of a pass asks for the same one. */
class MaskCache {
  readonly #byKeyMask = new WeakMap<object, Map<string, Operand>>()
  readonly #causal = new Map<string, Operand>()

  get(s: Sizes, window: number | undefined, keyMask: tf.TensorInfo | undefined, backend: OrtBackend): Operand {
    // A window that reaches as far as the keys do hides nothing.
    const seen = window !== undefined && window < s.keys ? window : undefined
    const key = `${s.seq} ${s.keys} ${s.group} ${seen}`
    let known = this.#causal
    if (keyMask !== undefined) {
      known = this.#byKeyMask.get(keyMask.dataId) ?? new Map()
      this.#byKeyMask.set(keyMask.dataId, known)
    }
    let mask = known.get(key)
    if (mask === undefined) {
      const own = keyMask === undefined ? undefined : backend.floats(keyMask)
      mask = additiveMask(
        s,
        keyMask?.shape.length === 3 ? (row, i) => own![row * s.seq * s.keys + i]! : lookingBack(s, seen, own),
        own !== undefined
      )
      if (known.size >= 64) known.clear()
      known.set(key, mask)
    }
    return mask
  }
}

/** How visible key `i % keys` is to query `⌊i / keys⌋` of a row, 0 or 1. */
type Visible = (row: number, i: number) => number

/** Keys at and before a query that are no padding. */
function lookingBack({ seq, keys }: Sizes, window: number | undefined, keyMask: Float32Array | undefined): Visible {
  const causal = causalMask(seq, keys, window)
  return (row, i) => (keyMask === undefined ? causal[i]! : causal[i]! * keyMask[row * keys + (i % keys)]!)
}

/** 0 where a query may look, MASKED elsewhere: `[batch or 1, 1, group·seq, keys]`. */
function additiveMask({ batch, seq, keys, group }: Sizes, visible: Visible, ofEachRow: boolean): Operand {
  const rows = ofEachRow ? batch : 1
  const size = seq * keys
  const mask = new Float32Array(rows * group * size)
  for (let row = 0; row < rows; row++) {
    const first = row * group * size
    for (let i = 0; i < size; i++) {
      const seen = visible(row, i)
      mask[first + i] = seen === 1 ? 0 : (1 - seen) * MASKED
    }
    for (let g = 1; g < group; g++) mask.copyWithin(first + g * size, first, first + size)
  }
  return operand(mask, [rows, 1, group * seq, keys])
}
