import { closeSync, openSync, statSync } from 'node:fs'
import { UserError } from '../../errors'
import { readExactly } from './read'
import { type Dtype, ELEMENT_BYTES, type TensorEntry } from './tensor'
import { Global, PickleError, unpickle } from './unpickle'
import { readZipDirectory } from './zip'

/** Names and shapes, of which the largest checkpoints have a few megabytes. */
const MOST_PICKLED = 64 * 2 ** 20

/** Tensor types of torch's storages. */
const STORAGES: Readonly<Record<string, Dtype>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL'
}

/** The flat memory tensors lie in: which one, and of what type. */
class Storage {
  constructor(
    readonly key: string,
    readonly dtype: Dtype,
    readonly elements: number
  ) {}
}

/** A tensor as the pickle describes it. */
class Described {
  constructor(
    readonly storage: Storage,
    readonly start: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[]
  ) {}
}

/** Everything a checkpoint may construct. */
const meaning = {
  construct(global: Global, args: readonly unknown[]): unknown {
    switch (global.name) {
      case 'collections.OrderedDict':
        return new Map()
      case 'torch._utils._rebuild_tensor_v2':
      case 'torch._utils._rebuild_tensor':
        return described(args)
      case 'torch._utils._rebuild_parameter':
        return args[0]
      default:
        throw new PickleError(`it wants to call ${global.name}, which no checkpoint of tensors needs`)
    }
  },

  /** `('storage', type, key, location, elements)`. */
  persistent(id: unknown): unknown {
    if (!Array.isArray(id) || id[0] !== 'storage' || !(id[1] instanceof Global))
      throw new PickleError('an unknown kind of storage')
    const dtype = STORAGES[id[1].name]
    if (dtype === undefined) throw new PickleError(`the storage type ${id[1].name} is not known`)
    if (typeof id[2] !== 'string' || !whole(id[4])) throw new PickleError('a malformed storage')
    return new Storage(id[2], dtype, id[4])
  }
}

/** torch has 64. */
const MOST_AXES = 64

const whole = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const wholes = (value: unknown): value is number[] => Array.isArray(value) && value.every(whole)

function described([storage, start, shape, strides]: readonly unknown[]): Described {
  if (!(storage instanceof Storage) || !whole(start) || !wholes(shape) || !wholes(strides) || shape.length > MOST_AXES)
    throw new PickleError('a malformed tensor')
  return new Described(storage, start, shape, strides)
}

/**
 * The tensors of a PyTorch checkpoint (`pytorch_model.bin`): where each lies in the file, without running anything the file says.
 * Reads the zip archives of torch 1.6 and later and the older stream of pickles.
 * @throws UserError for a file that is damaged, or describes more than a dictionary of tensors
 */
export function readTorchCheckpoint(file: string): Map<string, TensorEntry> {
  const size = statSync(file).size
  const fd = openSync(file, 'r')
  try {
    const isZip = size >= 4 && readExactly(fd, 0, 4).toString('latin1') === 'PK\u0003\u0004'
    return isZip ? fromZip(fd, file, size) : fromStream(fd, file, size)
  } catch (error) {
    if (!(error instanceof PickleError)) throw error
    throw new UserError(`refused: ${error.message}`, {
      place: file,
      hint: 'only checkpoints that hold nothing but tensors are read; convert this one to safetensors where you trust it'
    })
  } finally {
    closeSync(fd)
  }
}

function fromZip(fd: number, file: string, size: number): Map<string, TensorEntry> {
  const entries = readZipDirectory(fd, file, size)
  const pickle = [...entries.values()].find((e) => e.name.endsWith('/data.pkl'))
  if (pickle === undefined)
    throw new UserError('not a PyTorch checkpoint: the archive has no data.pkl', { place: file })
  const folder = pickle.name.slice(0, -'data.pkl'.length)
  const order = entries.get(`${folder}byteorder`)
  if (order !== undefined && readExactly(fd, order.offset, Math.min(order.bytes, 16)).toString('utf8') !== 'little')
    throw new UserError('the checkpoint was written on a big-endian machine', { place: file })
  if (pickle.bytes > MOST_PICKLED) throw new PickleError(`its description takes ${pickle.bytes} bytes`)
  const { value } = unpickle(readExactly(fd, pickle.offset, pickle.bytes), 0, meaning)
  return located(value, file, ({ key }) => entries.get(`${folder}data/${key}`))
}

/** torch's magic number, the first pickle of the older format. */
const MAGIC = 0x1950a86a20f9469cfc6cn
const STREAM_PROTOCOL = 1001

function fromStream(fd: number, file: string, size: number): Map<string, TensorEntry> {
  const head = readExactly(fd, 0, Math.min(size, MOST_PICKLED))
  const next = (start: number) => unpickle(head, start, meaning)
  const magic = next(0)
  const protocol = next(magic.end)
  if (magic.value !== MAGIC || protocol.value !== STREAM_PROTOCOL)
    throw new UserError('not a PyTorch checkpoint: neither a zip archive nor a stream of pickles', { place: file })
  const machine = next(protocol.end)
  const { value, end } = next(machine.end)
  const keys = next(end)
  if (!Array.isArray(keys.value)) throw new PickleError('the list of its storages is missing')
  // Every storage: its number of elements in 8 bytes, then the elements.
  const byKey = new Map(storagesOf(value).map((s) => [s.key, s]))
  const places = new Map<string, { offset: number; bytes: number }>()
  let at = keys.end
  for (const key of keys.value as unknown[]) {
    if (typeof key !== 'string' || places.has(key)) throw new PickleError('a malformed list of storages')
    const storage = byKey.get(key)
    if (storage === undefined) throw new PickleError(`the storage ${key} belongs to no tensor`)
    if (at + 8 > size) throw cutShort(file)
    const elements = Number(readExactly(fd, at, 8).readBigUInt64LE())
    const bytes = elements * ELEMENT_BYTES[storage.dtype]
    if (at + 8 + bytes > size) throw cutShort(file)
    places.set(key, { offset: at + 8, bytes })
    at += 8 + bytes
  }
  return located(value, file, ({ key }) => places.get(key))
}

const cutShort = (file: string) =>
  new UserError('the file is cut short', { place: file, hint: 'download the file again' })

/** The dictionary's tensors; training checkpoints keep it under `state_dict` or `model`. */
function tensorsOf(value: unknown, inner = false): [string, Described][] {
  if (!(value instanceof Map)) throw new PickleError('it is no dictionary of tensors')
  const entries = [...value].filter(
    (e): e is [string, Described] => typeof e[0] === 'string' && e[1] instanceof Described
  )
  if (entries.length > 0) return entries
  // Once: a dictionary may hold itself.
  for (const name of inner ? [] : ['state_dict', 'model', 'module']) {
    const part: unknown = value.get(name)
    if (part instanceof Map) return tensorsOf(part, true)
  }
  throw new PickleError('it holds no tensor')
}

const storagesOf = (value: unknown): Storage[] => tensorsOf(value).map(([, { storage }]) => storage)

function located(
  value: unknown,
  file: string,
  placeOf: (storage: Storage) => { readonly offset: number; readonly bytes: number } | undefined
): Map<string, TensorEntry> {
  return new Map(
    tensorsOf(value).map(([name, { storage, start, shape, strides }]) => {
      const bad = (message: string) => new UserError(`tensor '${name}' ${message}`, { place: file })
      const place = placeOf(storage)
      if (place === undefined) throw bad('is missing from the file')
      const width = ELEMENT_BYTES[storage.dtype]
      if (strides.length !== shape.length) throw bad('has not as many strides as axes')
      const elements = shape.reduce((a, b) => a * b, 1)
      // A stride of 0 repeats elements: masks do, a thousandfold at most.
      if (elements > 1e6 && elements > 1000 * storage.elements)
        throw bad(`has ${elements} elements, its storage ${storage.elements}`)
      const contiguous = elements === 0 || isContiguous(shape, strides)
      // From its first element to its last.
      const span = contiguous ? elements : 1 + shape.reduce((sum, n, i) => sum + (n - 1) * strides[i]!, 0)
      if (!((start + span) * width <= place.bytes))
        throw bad(
          `(${storage.dtype} [${shape.join(', ')}]) needs ${(start + span) * width} bytes, its storage has ${place.bytes}`
        )
      const entry = { file, dtype: storage.dtype, shape, offset: place.offset + start * width, bytes: span * width }
      return [name, contiguous ? entry : { ...entry, strides }]
    })
  )
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false
    expected *= shape[i]!
  }
  return true
}
