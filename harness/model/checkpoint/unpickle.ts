/*
 * Reads the one kind of pickle a PyTorch checkpoint needs: a dictionary of tensors. A pickle is a program that may call anything;
 * this reader knows a closed list of constructors and refuses all others, so that no file can do more than describe tensors.
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */

/** A global name in the pickle, `module.name`; only data until `construct` gives it a meaning. */
export class Global {
  constructor(readonly name: string) {}
}

export interface Meaning {
  /** What calling a global with arguments gives. @throws for a global that is not known */
  construct(global: Global, args: readonly unknown[]): unknown
  /** What a persistent id stands for. */
  persistent(id: unknown): unknown
}

export class PickleError extends Error {}

const MARK = Symbol('mark')
const NOTHING = Symbol('nothing')

/** Programs that pile up values are no checkpoints: pickle stores lists and dictionaries a thousand items at a time. */
const MOST_STACKED = 100_000
/** Dictionaries and lists, of which a checkpoint has a handful for every tensor. */
const MOST_CONTAINERS = 2_000_000

/** Runs one pickle from `start`. @returns its value and where it ended */
export function unpickle(data: Buffer, start: number, meaning: Meaning): { value: unknown; end: number } {
  return new Machine(data, start, meaning).run()
}

class Machine {
  readonly #data: Buffer
  readonly #meaning: Meaning
  readonly #memo = new Map<number, unknown>()
  #stack: unknown[] = []
  #containers = 0
  #at: number

  constructor(data: Buffer, start: number, meaning: Meaning) {
    this.#data = data
    this.#at = start
    this.#meaning = meaning
  }

  run(): { value: unknown; end: number } {
    // Every operation takes a byte at least, so it ends.
    for (;;) {
      const code = this.#byte()
      // '.': stop
      if (code === 0x2e) return { value: this.#pop(), end: this.#at }
      const value = this.#step(code)
      if (value === NOTHING) continue
      if (typeof value === 'object' && ++this.#containers > MOST_CONTAINERS)
        throw new PickleError(`it makes more than ${MOST_CONTAINERS} objects`)
      if (this.#stack.push(value) > MOST_STACKED) throw new PickleError(`it piles up more than ${MOST_STACKED} values`)
    }
  }

  /** What the operation puts on the stack. */
  #step(code: number): unknown {
    switch (code) {
      case 0x80: // PROTO
        this.#byte()
        return NOTHING
      case 0x95: // FRAME
        this.#take(8)
        return NOTHING
      case 0x28: // '(' MARK
        return MARK
      case 0x30: // '0' POP
        this.#pop()
        return NOTHING
      case 0x4e: // 'N' NONE
        return null
      case 0x88: // NEWTRUE
        return true
      case 0x89: // NEWFALSE
        return false
      case 0x4b: // 'K' BININT1
        return this.#byte()
      case 0x4d: // 'M' BININT2
        return this.#take(2).readUInt16LE()
      case 0x4a: // 'J' BININT
        return this.#take(4).readInt32LE()
      case 0x8a: // LONG1
        return integer(this.#take(this.#byte()))
      case 0x47: // 'G' BINFLOAT
        return this.#take(8).readDoubleBE()
      case 0x58: // 'X' BINUNICODE
        return this.#take(this.#take(4).readUInt32LE()).toString('utf8')
      case 0x8c: // SHORT_BINUNICODE
        return this.#take(this.#byte()).toString('utf8')
      case 0x55: // 'U' SHORT_BINSTRING
        return this.#take(this.#byte()).toString('latin1')
      case 0x7d: // '}' EMPTY_DICT
        return new Map()
      case 0x5d: // ']' EMPTY_LIST
        return []
      case 0x29: // ')' EMPTY_TUPLE
        return []
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#popMany(code - 0x84)
      case 0x74: // 't' TUPLE
      case 0x6c: // 'l' LIST
        return this.#popToMark()
      case 0x71: // 'q' BINPUT
        this.#memo.set(this.#byte(), this.#top())
        return NOTHING
      case 0x72: // 'r' LONG_BINPUT
        this.#memo.set(this.#take(4).readUInt32LE(), this.#top())
        return NOTHING
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top())
        return NOTHING
      case 0x68: // 'h' BINGET
        return this.#known(this.#byte())
      case 0x6a: // 'j' LONG_BINGET
        return this.#known(this.#take(4).readUInt32LE())
      case 0x63: // 'c' GLOBAL
        return new Global(`${this.#line()}.${this.#line()}`)
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2)
        if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('a global without a name')
        return new Global(`${module}.${name}`)
      }
      case 0x51: // 'Q' BINPERSID
        return this.#meaning.persistent(this.#pop())
      case 0x52: {
        // 'R' REDUCE
        const [callable, args] = this.#popMany(2)
        if (!(callable instanceof Global) || !Array.isArray(args))
          throw new PickleError('a call of something that is no global')
        return this.#meaning.construct(callable, args)
      }
      case 0x62: // 'b' BUILD: attributes of an object, which a tensor dictionary can do without
        this.#pop()
        return NOTHING
      case 0x73: {
        // 's' SETITEM
        const [key, value] = this.#popMany(2)
        this.#dictionary().set(key, value)
        return NOTHING
      }
      case 0x75: {
        // 'u' SETITEMS
        const items = this.#popToMark()
        const dictionary = this.#dictionary()
        for (let i = 0; i + 1 < items.length; i += 2) dictionary.set(items[i], items[i + 1])
        return NOTHING
      }
      case 0x61: {
        // 'a' APPEND
        const value = this.#pop()
        this.#list().push(value)
        return NOTHING
      }
      case 0x65: {
        // 'e' APPENDS
        const items = this.#popToMark()
        const list = this.#list()
        for (const item of items) list.push(item)
        return NOTHING
      }
      default:
        throw new PickleError(`the operation 0x${code.toString(16)} at byte ${this.#at - 1} is not one of a checkpoint`)
    }
  }

  #take(bytes: number): Buffer {
    if (this.#at + bytes > this.#data.length) throw new PickleError('it ends in the middle')
    const taken = this.#data.subarray(this.#at, this.#at + bytes)
    this.#at += bytes
    return taken
  }

  #byte(): number {
    return this.#take(1)[0]!
  }

  #line(): string {
    const end = this.#data.indexOf(0x0a, this.#at)
    if (end < 0) throw new PickleError('it ends in the middle')
    const text = this.#data.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  #top(): unknown {
    if (this.#stack.length === 0) throw new PickleError('it takes more than it has')
    return this.#stack[this.#stack.length - 1]
  }

  #pop(): unknown {
    const value = this.#top()
    this.#stack.pop()
    return value
  }

  #popMany(count: number): unknown[] {
    if (this.#stack.length < count) throw new PickleError('it takes more than it has')
    return this.#stack.splice(this.#stack.length - count)
  }

  #popToMark(): unknown[] {
    const mark = this.#stack.lastIndexOf(MARK)
    if (mark < 0) throw new PickleError('a mark is missing')
    const items = this.#stack.slice(mark + 1)
    this.#stack.length = mark
    return items
  }

  #known(key: number): unknown {
    if (!this.#memo.has(key)) throw new PickleError(`it recalls ${key}, which it never kept`)
    return this.#memo.get(key)
  }

  #dictionary(): Map<unknown, unknown> {
    const value = this.#top()
    if (value instanceof Map) return value
    throw new PickleError('items are put into something that is no dictionary')
  }

  #list(): unknown[] {
    const value = this.#top()
    if (Array.isArray(value)) return value
    throw new PickleError('items are put into something that is no list')
  }
}

/** Two's complement, little endian. */
function integer(bytes: Buffer): number | bigint {
  let value = 0n
  for (const [i, byte] of bytes.entries()) value |= BigInt(byte) << BigInt(8 * i)
  if (bytes.length > 0 && (bytes[bytes.length - 1]! & 0x80) !== 0) value -= 1n << BigInt(8 * bytes.length)
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value
}
