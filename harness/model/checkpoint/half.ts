/** Conversions between 16-bit floats and float32. */

const bits = new Uint32Array(1)
const view = new Float32Array(bits.buffer)

/** IEEE half precision -> float32, by table: 65,536 values, made at first use. */
let table: Float32Array | undefined

function halfTable(): Float32Array {
  if (table !== undefined) return table
  table = new Float32Array(65536)
  for (let h = 0; h < 65536; h++) {
    const sign = h & 0x8000 ? -1 : 1
    const exponent = (h >> 10) & 31
    const fraction = h & 1023
    if (exponent === 0) table[h] = sign * fraction * 2 ** -24
    else if (exponent === 31) table[h] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    else table[h] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  }
  return table
}

export function halfToFloat(source: Uint16Array): Float32Array {
  const values = halfTable()
  const out = new Float32Array(source.length)
  for (let i = 0; i < out.length; i++) out[i] = values[source[i]!]!
  return out
}

/** bfloat16 is the upper half of a float32. */
export function bfloatToFloat(source: Uint16Array): Float32Array {
  const out = new Float32Array(source.length)
  const words = new Uint32Array(out.buffer)
  for (let i = 0; i < words.length; i++) words[i] = source[i]! << 16
  return out
}

/** float32 -> IEEE half precision, rounding to nearest, ties to even. */
export function floatToHalf(source: Float32Array): Uint16Array {
  const out = new Uint16Array(source.length)
  for (let i = 0; i < source.length; i++) {
    view[0] = source[i]!
    const word = bits[0]!
    const sign = (word >>> 16) & 0x8000
    const exponent = ((word >>> 23) & 255) - 112
    const fraction = word & 0x7fffff
    if (exponent >= 31) out[i] = sign | 0x7c00 | ((word & 0x7fffffff) > 0x7f800000 ? 0x200 : 0)
    else if (exponent <= 0) {
      if (exponent < -10) out[i] = sign
      else out[i] = sign | roundShift(fraction | 0x800000, 14 - exponent)
    } else out[i] = sign | roundShift((exponent << 23) | fraction, 13)
  }
  return out
}

/** `value >> shift`, rounded to nearest, ties to even; a carry runs into the exponent, as it should. */
function roundShift(value: number, shift: number): number {
  const kept = Math.floor(value / 2 ** shift)
  const rest = value - kept * 2 ** shift
  const half = 2 ** (shift - 1)
  return kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0)
}
