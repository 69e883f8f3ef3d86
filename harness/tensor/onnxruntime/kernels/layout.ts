import * as tf from '@tensorflow/tfjs-core'
import type { OrtBackend } from '../backend'
import { cpuKernel, defineKernel, type KernelCall } from '../define'
import { program, sizeOf } from '../runtime'

/*
 * Kernels that only move values. A tensor is seen as blocks: `outer` repetitions of `axis` entries of `inner` adjacent values.
 */

export function defineLayout(): void {
  withFallback(tf.Transpose, ['x'], transpose)
  withFallback(tf.Slice, ['x'], ({ inputs, attrs, backend }) => {
    const x = inputs.x!
    const [begin, size] = tf.slice_util.parseSliceParams(
      x as tf.Tensor,
      attrs.begin as number[],
      attrs.size as number[]
    )
    return slice(backend, x, begin!, size!)
  })
  withFallback(tf.SplitV, ['x'], ({ inputs, attrs, backend }) => {
    const x = inputs.x!
    const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits as number | number[], axis)
    const begin = x.shape.map(() => 0)
    return sizes.map((length) => {
      const part = slice(
        backend,
        x,
        begin,
        x.shape.map((d, i) => (i === axis ? length : d))
      )
      begin[axis] = begin[axis]! + length
      return part
    })
  })
  withFallback(tf.Unpack, ['value'], ({ inputs, attrs, backend }) => {
    const x = inputs.value!
    const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!
    const size = x.shape.map((d, i) => (i === axis ? 1 : d))
    const dims = x.shape.filter((_, i) => i !== axis)
    return Array.from({ length: x.shape[axis]! }, (_, at) => ({
      ...slice(
        backend,
        x,
        x.shape.map((_, i) => (i === axis ? at : 0)),
        size
      ),
      shape: dims
    }))
  })
  defineConcat()
  withFallback(tf.PadV2, ['x'], pad)
  definePack()
  defineGather()
  defineCast()
}

/** Runs `kernel` where the named inputs are floats, the cpu kernel otherwise. */
function withFallback(
  name: string,
  floats: readonly string[],
  kernel: (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[]
): void {
  const fallback = cpuKernel(name)
  defineKernel(name, (call) =>
    floats.every((input) => call.inputs[input]!.dtype === 'float32') ? kernel(call) : fallback(call)
  )
}

function transpose({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const x = inputs.x!
  const perm = attrs.perm as number[]
  const dims = perm.map((axis) => x.shape[axis]!)
  const what = program(`transpose ${perm.join()}`, (g) => g.op('Transpose', [g.input()], { perm }))
  return backend.tensor(backend.runtime.compute(what, [backend.operand(x)], dims, sizeOf(dims)), dims)
}

function slice(
  backend: OrtBackend,
  x: tf.TensorInfo,
  begin: readonly number[],
  size: readonly number[]
): tf.TensorInfo {
  tf.slice_util.assertParamsValid(x as tf.Tensor, [...begin], [...size])
  const values = backend.floats(x)
  const out = backend.runtime.pool.allocate(sizeOf(size))
  // Axes from `whole` on are taken entirely, so that one run of adjacent values covers them and the axis before.
  let whole = size.length
  while (whole > 0 && size[whole - 1] === x.shape[whole - 1]) whole--
  const inner = sizeOf(x.shape.slice(whole))
  const run = inner * (whole > 0 ? size[whole - 1]! : 1)
  const strides = tf.util.computeStrides([...x.shape, 1])
  const counters = size.slice(0, Math.max(0, whole - 1)).map(() => 0)
  if (run === 0) return backend.tensor(out, size)
  for (let to = 0; to < out.length; to += run) {
    let from = whole > 0 ? begin[whole - 1]! * strides[whole - 1]! : 0
    for (let axis = 0; axis < counters.length; axis++) from += (begin[axis]! + counters[axis]!) * strides[axis]!
    copy(values, from, out, to, run)
    for (let axis = counters.length - 1; axis >= 0; axis--) {
      counters[axis] = counters[axis]! + 1
      if (counters[axis]! < size[axis]!) break
      counters[axis] = 0
    }
  }
  return backend.tensor(out, size)
}

/** TypedArray.set has a fixed cost that short runs do not earn back. */
function copy(from: Float32Array, start: number, to: Float32Array, at: number, length: number): void {
  if (length >= 64) to.set(from.subarray(start, start + length), at)
  else for (let i = 0; i < length; i++) to[at + i] = from[start + i]!
}

function concat(backend: OrtBackend, parts: readonly tf.TensorInfo[], axis: number): tf.TensorInfo {
  const first = parts[0]!
  const dims = first.shape.map((d, i) => (i === axis ? parts.reduce((sum, p) => sum + p.shape[axis]!, 0) : d))
  const outer = sizeOf(dims.slice(0, axis))
  const out = backend.runtime.pool.allocate(sizeOf(dims))
  const row = sizeOf(dims.slice(axis))
  let column = 0
  for (const part of parts) {
    const values = backend.floats(part)
    const run = sizeOf(part.shape.slice(axis))
    for (let i = 0; i < outer; i++) copy(values, i * run, out, i * row + column, run)
    column += run
  }
  return backend.tensor(out, dims)
}

function defineConcat(): void {
  const fallback = cpuKernel(tf.Concat)
  defineKernel(tf.Concat, (call) => {
    const parts = Object.values(call.inputs)
    const axis = tf.util.parseAxisParam(call.attrs.axis as number, parts[0]!.shape)[0]!
    if (parts.some((p) => p.dtype !== 'float32')) return fallback(call)
    tf.backend_util.assertParamsConsistent(
      parts.map((p) => p.shape),
      axis
    )
    return concat(call.backend, parts, axis)
  })
}

function definePack(): void {
  const fallback = cpuKernel(tf.Pack)
  defineKernel(tf.Pack, (call) => {
    const parts = Object.values(call.inputs)
    if (parts.some((p) => p.dtype !== 'float32')) return fallback(call)
    const rank = parts[0]!.shape.length + 1
    const axis = ((call.attrs.axis as number) + rank) % rank
    const expanded = parts.map((p) => ({ ...p, shape: p.shape.toSpliced(axis, 0, 1) }))
    return concat(call.backend, expanded, axis)
  })
}

function pad({ inputs, attrs, backend }: KernelCall): tf.TensorInfo {
  const x = inputs.x!
  const paddings = attrs.paddings as [number, number][]
  const dims = x.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1])
  const out = backend.runtime.pool.allocate(sizeOf(dims)).fill(attrs.constantValue as number)
  const values = backend.floats(x)
  const rank = dims.length
  const run = rank === 0 ? 1 : x.shape[rank - 1]!
  const strides = tf.util.computeStrides([...dims, 1])
  for (let from = 0; from < values.length && run > 0; from += run) {
    let rest = from / run
    let to = rank === 0 ? 0 : paddings[rank - 1]![0]
    for (let axis = rank - 2; axis >= 0; axis--) {
      to += ((rest % x.shape[axis]!) + paddings[axis]![0]) * strides[axis]!
      rest = Math.floor(rest / x.shape[axis]!)
    }
    copy(values, from, out, to, run)
  }
  return backend.tensor(out, dims)
}

/** Rows chosen by index, and its gradient, rows added up by index. */
function defineGather(): void {
  const gatherFallback = cpuKernel(tf.GatherV2)
  defineKernel(tf.GatherV2, (call) => {
    const { x, indices } = call.inputs as { x: tf.TensorInfo; indices: tf.TensorInfo }
    const axis = tf.util.parseAxisParam((call.attrs.axis ?? 0) as number, x.shape)[0]!
    if (x.dtype !== 'float32' || indices.dtype !== 'int32' || (call.attrs.batchDims ?? 0) !== 0) {
      return gatherFallback(call)
    }
    const { backend } = call
    const values = backend.floats(x)
    const index = backend.integers(indices)
    const length = x.shape[axis]!
    const outer = sizeOf(x.shape.slice(0, axis))
    const inner = sizeOf(x.shape.slice(axis + 1))
    const dims = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)]
    const out = backend.runtime.pool.allocate(sizeOf(dims))
    for (let i = 0; i < index.length; i++) {
      const at = index[i]!
      if (at < 0 || at >= length) throw new RangeError(`gather: index ${at} is not in 0..${length - 1}`)
      for (let o = 0; o < outer; o++)
        copy(values, (o * length + at) * inner, out, (o * index.length + i) * inner, inner)
    }
    return backend.tensor(out, dims)
  })

  withFallback(tf.UnsortedSegmentSum, ['x'], ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo }
    const segments = attrs.numSegments as number
    const ids = backend.integers(segmentIds)
    const values = backend.floats(x)
    const inner = ids.length === 0 ? 0 : values.length / ids.length
    const dims = [segments, ...x.shape.slice(segmentIds.shape.length)]
    const out = backend.runtime.pool.allocate(sizeOf(dims)).fill(0)
    for (let i = 0; i < ids.length; i++) {
      const segment = ids[i]!
      if (segment < 0 || segment >= segments) continue
      const to = segment * inner
      for (let j = 0; j < inner; j++) out[to + j] = out[to + j]! + values[i * inner + j]!
    }
    return backend.tensor(out, dims)
  })
}

/** The cpu kernel relabels integers as floats without converting them, which native kernels cannot read. */
function defineCast(): void {
  const fallback = cpuKernel(tf.Cast)
  defineKernel(tf.Cast, (call) => {
    const { x } = call.inputs
    if (call.attrs.dtype !== 'float32' || (x!.dtype !== 'int32' && x!.dtype !== 'bool')) return fallback(call)
    return call.backend.tensor(Float32Array.from(call.backend.integers(x!)), x!.shape)
  })
}
