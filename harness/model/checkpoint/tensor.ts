import { closeSync, openSync } from 'node:fs'
import { UserError } from '../../errors'
import { bfloatToFloat, halfToFloat } from './half'
import { readExactly } from './read'

/** Bytes an element takes, by the safetensors name of the type. */
export const ELEMENT_BYTES = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1, F8_E4M3FNUZ: 1, F8_E5M2FNUZ: 1, C64: 8 },
  ...{ I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 }
} as const
export type Dtype = keyof typeof ELEMENT_BYTES
const FLOATS: ReadonlySet<Dtype> = new Set(['F64', 'F32', 'F16', 'BF16'])

/** Where a tensor lies in a file, row by row. */
export interface TensorEntry {
  readonly file: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  /** First byte in the file, and how many. */
  readonly offset: number
  readonly bytes: number
  /** Elements from one index to the next along every axis, where the tensor is not stored row by row. */
  readonly strides?: readonly number[]
}

/** What a checkpoint holds, by tensor name; nothing is read but the headers. */
export type TensorIndex = ReadonlyMap<string, TensorEntry>

/** Reads a tensor as float32, row by row. */
export function readTensor(name: string, entry: TensorEntry): Float32Array {
  if (!FLOATS.has(entry.dtype))
    throw new UserError(`tensor '${name}' has the type ${entry.dtype}, needed is one of ${[...FLOATS].join(', ')}`, {
      place: entry.file,
      ...(entry.dtype.startsWith('F8') ? { hint: 'this checkpoint is quantised to 8 bits: use the original one' } : {})
    })
  const fd = openSync(entry.file, 'r')
  try {
    return rowByRow(floatsOf(entry.dtype, readExactly(fd, entry.offset, entry.bytes)), entry)
  } finally {
    closeSync(fd)
  }
}

/** The bytes are memory of their own, from its start: float32 needs no copy. */
function floatsOf(dtype: Dtype, { buffer }: Buffer<ArrayBuffer>): Float32Array {
  if (dtype === 'F32') return new Float32Array(buffer)
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer))
  return dtype === 'F16' ? halfToFloat(new Uint16Array(buffer)) : bfloatToFloat(new Uint16Array(buffer))
}

function rowByRow(stored: Float32Array, { shape, strides }: TensorEntry): Float32Array {
  if (strides === undefined) return stored
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1))
  const index = new Array<number>(shape.length).fill(0)
  let from = 0
  for (let to = 0; to < out.length; to++) {
    out[to] = stored[from]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      from -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  return out
}
