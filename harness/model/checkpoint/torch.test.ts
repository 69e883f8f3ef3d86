import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../../errors'
import expected from './golden/expected.json'
import { readCheckpointIndex } from './index'
import { readTensor } from './tensor'
import { readTorchCheckpoint } from './torch'

const golden = (name: string) => join(__dirname, 'golden', name)

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-torch-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function complaint(file: string): string {
  try {
    readTorchCheckpoint(file)
  } catch (error) {
    if (error instanceof UserError) return error.format()
    throw error
  }
  throw new Error('nothing was wrong')
}

describe('a PyTorch checkpoint', () => {
  test.each([
    ['of torch 1.6 and later', 'zip.bin'],
    ['of older versions', 'stream.bin'],
    ['with the tensors inside a training state', 'training.bin']
  ])('%s gives every tensor as torch wrote it', (_, file) => {
    const tensors = readTorchCheckpoint(golden(file))
    for (const [name, { shape, values }] of Object.entries(expected.tensors)) {
      const entry = tensors.get(name)!
      expect([name, entry.shape]).toEqual([name, shape])
      const got = readTensor(name, entry)
      expect(got).toHaveLength(values.length)
      for (const [i, value] of got.entries()) expect(value).toBeCloseTo(values[i]!, 6)
    }
    expect([...tensors.keys()].sort()).toEqual([...Object.keys(expected.tensors), ...expected.others].sort())
  })

  test('with a tensor that is not stored row by row gives it row by row', () => {
    const { shape, values } = expected.transposed
    const entry = readTorchCheckpoint(golden('transposed.bin')).get('t')!
    expect(entry.shape).toEqual(shape)
    for (const [i, value] of readTensor('t', entry).entries()) expect(value).toBeCloseTo(values[i]!, 6)
  })

  test('in shards is read through its index', () => {
    cpSync(golden('zip.bin'), join(dir, 'pytorch_model-00001-of-00001.bin'))
    const map = Object.fromEntries(Object.keys(expected.tensors).map((n) => [n, 'pytorch_model-00001-of-00001.bin']))
    writeFileSync(join(dir, 'pytorch_model.bin.index.json'), JSON.stringify({ weight_map: map }))
    expect(readCheckpointIndex(dir)!.get('f16')).toMatchObject({ dtype: 'F16', shape: [5] })
  })
})

describe('is refused, and nothing is run:', () => {
  const owned = '/tmp/owned-by-a-checkpoint'

  test.each([
    ['a pickle that calls the shell', 'hostile.bin', /refused: it wants to call posix\.system/],
    ['the same in the older format', 'hostile-stream.bin', /refused: it wants to call posix\.system/],
    ['a pickled module', 'module.bin', /refused: it wants to call torch\.nn|refused: the operation/],
    ['a compressed archive', 'compressed.bin', /'archive\/data\.pkl' is compressed/]
  ])('%s', (_, file, message) => {
    rmSync(owned, { force: true })
    expect(complaint(golden(file))).toMatch(message)
    expect(existsSync(owned)).toBe(false)
  })

  test.each(['zip.bin', 'stream.bin'])('%s cut short at any place', (name) => {
    const whole = readFileSync(golden(name))
    const file = join(dir, 'cut.bin')
    for (let bytes = 0; bytes < whole.length; bytes += Math.ceil(whole.length / 60)) {
      writeFileSync(file, whole.subarray(0, bytes))
      expect(complaint(file)).toContain('cut.bin')
    }
  })

  test('bytes changed at random end in a message or in tensors inside the file, never in anything else', () => {
    for (const name of ['zip.bin', 'stream.bin']) {
      const whole = readFileSync(golden(name))
      const file = join(dir, 'changed.bin')
      for (let i = 0; i < 400; i++) {
        const changed = Buffer.from(whole)
        changed[(i * 7919) % whole.length] = (i * 104729) % 256
        writeFileSync(file, changed)
        try {
          for (const { offset, bytes } of readTorchCheckpoint(file).values())
            expect(offset + bytes).toBeLessThanOrEqual(whole.length)
        } catch (error) {
          if (!(error instanceof UserError)) throw error
        }
      }
    }
  })

  test('a file that is something else', () => {
    writeFileSync(join(dir, 'x.bin'), 'hello')
    expect(complaint(join(dir, 'x.bin'))).toMatch(/x\.bin: /)
  })
})
