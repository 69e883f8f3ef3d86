/**
 * Reuses the memory of float tensors: fresh pages from the system cost more than many kernels do.
 * Arrays are views on buffers of a few size classes, so that nearby sizes share them. Contents are not cleared.
 */
export interface PoolStats {
  /** Buffers in use by tensors now. */
  readonly liveBuffers: number
  readonly liveBytes: number
  /** Kept for reuse. */
  readonly pooledBuffers: number
  readonly pooledBytes: number
}

/** Below this many elements a fresh array is as cheap as a reused one. */
const SMALLEST = 1024

export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>()
  /** Buffers handed out, with the number of tensors that hold them. Weak: what nobody holds any more is simply collected. */
  readonly #holders = new WeakMap<ArrayBufferLike, number>()
  readonly #maxBytes: number
  #liveBuffers = 0
  #liveBytes = 0
  #pooledBytes = 0
  #pooledBuffers = 0

  /** Keeps at most `maxBytes` for reuse. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** An array with arbitrary contents. Not counted until a tensor holds it. */
  allocate(length: number): Float32Array {
    if (length < SMALLEST) return new Float32Array(length)
    const bytes = sizeClass(length) * 4
    const buffer = this.#free.get(bytes)?.pop()
    if (buffer === undefined) return new Float32Array(this.#track(new ArrayBuffer(bytes)), 0, length)
    this.#pooledBytes -= bytes
    this.#pooledBuffers--
    return new Float32Array(this.#track(buffer), 0, length)
  }

  /** A tensor now holds these values; a kernel that hands on a view of them adds a second holder. */
  hold(values: ArrayBufferView): void {
    const holders = this.#holders.get(values.buffer)
    if (holders === undefined) return
    this.#holders.set(values.buffer, holders + 1)
    if (holders > 0) return
    this.#liveBuffers++
    this.#liveBytes += values.buffer.byteLength
  }

  /** A tensor that held these values is gone, or an array that no tensor ever held is done with. */
  release(values: ArrayBufferView): void {
    const holders = this.#holders.get(values.buffer)
    if (holders === undefined) return
    if (holders > 1) {
      this.#holders.set(values.buffer, holders - 1)
      return
    }
    const buffer = values.buffer as ArrayBuffer
    this.#holders.delete(buffer)
    if (holders === 1) {
      this.#liveBuffers--
      this.#liveBytes -= buffer.byteLength
    }
    if (this.#pooledBytes + buffer.byteLength > this.#maxBytes) this.#evict(buffer.byteLength)
    if (this.#pooledBytes + buffer.byteLength > this.#maxBytes) return
    const free = this.#free.get(buffer.byteLength)
    if (free === undefined) this.#free.set(buffer.byteLength, [buffer])
    else free.push(buffer)
    this.#pooledBytes += buffer.byteLength
    this.#pooledBuffers++
  }

  /** Whether the memory behind these values will be reused, so that they must be copied before they leave the backend. */
  owns(values: ArrayBufferView): boolean {
    return this.#holders.has(values.buffer)
  }

  stats(): PoolStats {
    return {
      liveBuffers: this.#liveBuffers,
      liveBytes: this.#liveBytes,
      pooledBuffers: this.#pooledBuffers,
      pooledBytes: this.#pooledBytes
    }
  }

  clear(): void {
    this.#free.clear()
    this.#pooledBytes = 0
    this.#pooledBuffers = 0
  }

  #track(buffer: ArrayBuffer): ArrayBuffer {
    this.#holders.set(buffer, 0)
    return buffer
  }

  /** Drops the size classes that were filled first until `bytes` more fit. */
  #evict(bytes: number): void {
    for (const [size, buffers] of this.#free) {
      this.#free.delete(size)
      this.#pooledBytes -= size * buffers.length
      this.#pooledBuffers -= buffers.length
      if (this.#pooledBytes + bytes <= this.#maxBytes) return
    }
  }
}

/** Rounds up to a multiple of an eighth of the power of two below: at most 12.5 % is wasted. */
function sizeClass(length: number): number {
  const step = 2 ** (Math.floor(Math.log2(length)) - 3)
  return Math.ceil(length / step) * step
}
