import { closeSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs'
import { UserError } from '../../errors'
import { replaceWhole } from '../../replace'
import { floatToHalf } from './half'
import { readExactly } from './read'
import { type Dtype, ELEMENT_BYTES, type TensorEntry } from './tensor'

const MAX_HEADER_BYTES = 100e6

/**
 * Reads and checks the header of one safetensors file (https://github.com/huggingface/safetensors#format):
 * u64 header length, JSON header, then the tensors without gaps or overlaps.
 * @throws UserError that names the file and the tensor.
 */
export function readSafetensorsHeader(file: string): {
  tensors: Map<string, TensorEntry>
  metadata: Record<string, string>
} {
  const bad = (message: string, hint = 'download the file again; it is incomplete or not a safetensors file') =>
    new UserError(message, { place: file, hint })
  const size = statSync(file).size
  if (size < 8) throw bad(`not a safetensors file: ${size} bytes, shorter than the 8-byte header length`)
  const fd = openSync(file, 'r')
  try {
    const start = readExactly(fd, 0, 8)
    const headerBytes = Number(start.readBigUInt64LE())
    if (headerBytes > MAX_HEADER_BYTES)
      throw bad(`the header claims ${headerBytes} bytes, more than the ${MAX_HEADER_BYTES} allowed`)
    if (8 + headerBytes > size) throw bad(`the header claims ${headerBytes} bytes but the file has only ${size}`)
    const header = parseHeader(readExactly(fd, 8, headerBytes).toString('utf8'), bad)
    const { __metadata__: metadata, ...rest } = header
    const tensors = new Map<string, TensorEntry>()
    for (const [name, value] of Object.entries(rest))
      tensors.set(name, checkEntry(file, name, value, 8 + headerBytes, size, bad))
    checkLayout(tensors, 8 + headerBytes, size, bad)
    return { tensors, metadata: (metadata ?? {}) as Record<string, string> }
  } finally {
    closeSync(fd)
  }
}

type Bad = (message: string, hint?: string) => UserError

function parseHeader(text: string, bad: Bad): Record<string, unknown> {
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch (error) {
    throw bad(`the header is not JSON: ${(error as Error).message}`)
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw bad('the header is not a JSON object')
  return header as Record<string, unknown>
}

function checkEntry(
  file: string,
  name: string,
  value: unknown,
  dataStart: number,
  size: number,
  bad: Bad
): TensorEntry {
  const {
    dtype,
    shape,
    data_offsets: offsets
  } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown }
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    throw bad(
      `tensor '${name}' has the type ${JSON.stringify(dtype)}; known are ${Object.keys(ELEMENT_BYTES).join(', ')}`
    )
  }
  const whole = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0)
  if (!whole(shape)) throw bad(`tensor '${name}' has no valid shape`)
  if (!whole(offsets) || offsets.length !== 2) throw bad(`tensor '${name}' has no valid data_offsets`)
  const [begin, end] = offsets as [number, number]
  const expected = shape.reduce((a, b) => a * b, 1) * ELEMENT_BYTES[dtype as Dtype]
  if (end - begin !== expected) {
    throw bad(
      `tensor '${name}' (${dtype} [${shape.join(', ')}]) needs ${expected} bytes, the header gives it ${end - begin}`
    )
  }
  if (dataStart + end > size) {
    throw bad(`the file is cut short: tensor '${name}' ends at byte ${dataStart + end}, the file at ${size}`)
  }
  return { file, dtype: dtype as Dtype, shape, offset: dataStart + begin, bytes: expected }
}

function checkLayout(tensors: ReadonlyMap<string, TensorEntry>, dataStart: number, size: number, bad: Bad): void {
  let at = dataStart
  for (const [name, entry] of [...tensors].sort((a, b) => a[1].offset - b[1].offset || a[1].bytes - b[1].bytes)) {
    if (entry.offset !== at)
      throw bad(`tensor '${name}' ${entry.offset < at ? 'overlaps the one before it' : 'leaves a gap before it'}`)
    at += entry.bytes
  }
  if (at !== size) throw bad(`the file has ${size - at} bytes that belong to no tensor`)
}

export interface TensorToWrite {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Writes a safetensors file, the whole of it or nothing. */
export function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, TensorToWrite>,
  { dtype = 'F32', metadata = {} }: { dtype?: 'F32' | 'F16'; metadata?: Readonly<Record<string, string>> } = {}
): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } }
  let at = 0
  for (const [name, { shape, data }] of tensors) {
    const bytes = data.length * ELEMENT_BYTES[dtype]
    header[name] = { dtype, shape, data_offsets: [at, at + bytes] }
    at += bytes
  }
  const json = Buffer.from(JSON.stringify(header))
  // The data must start at a multiple of 8, as the reference implementation writes it.
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(padded.length))
  replaceWhole(file, (temporary) => {
    const fd = openSync(temporary, 'w')
    try {
      writeSync(fd, length)
      writeSync(fd, padded)
      for (const { data } of tensors.values()) {
        const stored = dtype === 'F16' ? floatToHalf(data) : data
        writeWhole(fd, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength))
      }
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  })
}

/** One write call may take less than all: 2 GiB at most, or what a nearly full disk still holds. */
function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done, Math.min(bytes.length - done, 2 ** 30))
}
