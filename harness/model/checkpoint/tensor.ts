import { closeSync, openSync } from 'node:fs'
import { UserError } from '../../errors'
import { bfloatToFloat, halfToFloat } from './half'
import { readExactly } from './read'

/** Bytes an element takes, by the safetensors name of the type. */
export const ELEMENT_BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const
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
}

/** What a checkpoint holds, by tensor name; nothing is read but the headers. */
export type TensorIndex = ReadonlyMap<string, TensorEntry>

/** Reads a tensor as float32. */
export function readTensor(name: string, entry: TensorEntry): Float32Array {
  if (!FLOATS.has(entry.dtype))
    throw new UserError(`tensor '${name}' has the type ${entry.dtype}, a float is needed`, { place: entry.file })
  const fd = openSync(entry.file, 'r')
  try {
    const data = readExactly(fd, entry.offset, entry.bytes)
    const buffer = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer
    if (entry.dtype === 'F32') return new Float32Array(buffer)
    if (entry.dtype === 'F64') return Float32Array.from(new Float64Array(buffer))
    return entry.dtype === 'F16' ? halfToFloat(new Uint16Array(buffer)) : bfloatToFloat(new Uint16Array(buffer))
  } finally {
    closeSync(fd)
  }
}
