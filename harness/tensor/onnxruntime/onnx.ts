/**
 * Writes small ONNX models (onnx.proto3 of github.com/onnx/onnx, IR version 10). Shapes are left out, so one model serves inputs of
 * any rank and size; what depends on a shape is decided by the dims handed in at run time.
 */

/** Name of a value inside a graph. */
export type Value = string
export type ElementType = 'float32' | 'int32' | 'int64' | 'bool'
export type Attribute = number | string | readonly number[] | { readonly int: number }

const ELEMENT_TYPES: Record<ElementType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 }
const IR_VERSION = 10
/** Operator set: the first with RotaryEmbedding and RMSNormalization. */
const OPSET = 23
/** ONNX Runtime's own operators (FusedMatMul, QuickGelu ...). */
export const MICROSOFT = 'com.microsoft'
/** An output that the Node.js binding cannot turn into a value of its own (ort.ts). */
export const UNREADABLE = 'unreadable'
const BFLOAT16 = 16

export class GraphBuilder {
  readonly #nodes: Buffer[] = []
  readonly #inputs: Buffer[] = []
  readonly #initializers: Buffer[] = []
  #count = 0

  /** The next input, in the order in which operands are passed at run time. */
  input(type: ElementType = 'float32'): Value {
    const name = `in${this.#inputs.length}`
    this.#inputs.push(valueInfo(name, type))
    return name
  }

  get inputCount(): number {
    return this.#inputs.length
  }

  /** A constant 0-d float, for broadcasting. */
  scalar(value: number): Value {
    return this.#constant('float32', [], rawFloats([value]))
  }

  /** A constant 1-d int64, for axes and the like. */
  ints(...values: number[]): Value {
    return this.#constant('int64', [values.length], rawInts(values))
  }

  /** A node with one output. Numbers among the attributes are floats unless wrapped: `{ int: 1 }`. */
  op(type: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}, domain = ''): Value {
    return this.multi(type, inputs, 1, attributes, domain)[0]!
  }

  /** A node with several outputs. */
  multi(
    type: string,
    inputs: readonly Value[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = ''
  ): Value[] {
    const names = Array.from({ length: outputs }, () => `v${this.#count++}`)
    this.#nodes.push(
      Buffer.concat([
        ...inputs.map((name) => text(1, name)),
        ...names.map((name) => text(2, name)),
        text(4, type),
        text(7, domain),
        ...Object.entries(attributes).map(([name, value]) => bytes(5, attribute(name, value)))
      ])
    )
    return names
  }

  /** The finished ModelProto; `outputs` pairs a value of the graph with its element type. The first output is `UNREADABLE`. */
  build(outputs: readonly Output[]): Buffer {
    const unreadable = [integer(1, 1), integer(2, BFLOAT16), text(8, UNREADABLE), bytes(9, Buffer.alloc(2))]
    const graph = Buffer.concat([
      ...this.#nodes.map((node) => bytes(1, node)),
      text(2, 'graph'),
      ...[Buffer.concat(unreadable), ...this.#initializers].map((tensor) => bytes(5, tensor)),
      ...this.#inputs.map((info) => bytes(11, info)),
      bytes(12, Buffer.concat([text(1, UNREADABLE), bytes(2, bytes(1, integer(1, BFLOAT16)))])),
      ...outputs.map(([name, type]) => bytes(12, valueInfo(name, type)))
    ])
    return Buffer.concat([
      integer(1, IR_VERSION),
      bytes(7, graph),
      bytes(8, Buffer.concat([text(1, ''), integer(2, OPSET)])),
      bytes(8, Buffer.concat([text(1, MICROSOFT), integer(2, 1)]))
    ])
  }

  #constant(type: ElementType, dims: readonly number[], raw: Buffer): Value {
    const name = `c${this.#initializers.length}`
    this.#initializers.push(
      Buffer.concat([...dims.map((d) => integer(1, d)), integer(2, ELEMENT_TYPES[type]), text(8, name), bytes(9, raw)])
    )
    return name
  }
}

export type Output = readonly [name: Value, type: ElementType]

// Protocol-buffer wire format (protobuf.dev/programming-guides/encoding): varint = 0, 64-bit = 1, length-delimited = 2, 32-bit = 5.

function varint(value: number): Buffer {
  const out: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Buffer.from(out)
}

function integer(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)])
}

function bytes(field: number, payload: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(payload.length), payload])
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value, 'utf8'))
}

function float(field: number, value: number): Buffer {
  return Buffer.concat([varint((field << 3) | 5), rawFloats([value])])
}

function rawFloats(values: readonly number[]): Buffer {
  const raw = Buffer.alloc(values.length * 4)
  values.forEach((v, i) => {
    raw.writeFloatLE(v, i * 4)
  })
  return raw
}

function rawInts(values: readonly number[]): Buffer {
  const raw = Buffer.alloc(values.length * 8)
  values.forEach((v, i) => {
    raw.writeBigInt64LE(BigInt(v), i * 8)
  })
  return raw
}

/** AttributeProto: field 20 names the kind (float 1, int 2, string 3, ints 7). */
function attribute(name: string, value: Attribute): Buffer {
  const parts = [text(1, name)]
  if (typeof value === 'number') parts.push(float(2, value), integer(20, 1))
  else if (typeof value === 'string') parts.push(text(4, value), integer(20, 3))
  else if ('int' in value) parts.push(integer(3, value.int), integer(20, 2))
  else parts.push(...value.map((v) => integer(8, v)), integer(20, 7))
  return Buffer.concat(parts)
}

function valueInfo(name: string, type: ElementType): Buffer {
  const tensorType = integer(1, ELEMENT_TYPES[type])
  return Buffer.concat([text(1, name), bytes(2, bytes(1, tensorType))])
}
