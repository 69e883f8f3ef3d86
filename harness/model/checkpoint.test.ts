import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'
import { useBackend } from '../tensor'
import { openModel, readSafetensorsHeader, readTensor, resolveModel, saveModel, writeSafetensors } from '.'
import expected from './golden/expected.json'

let dir: string
beforeAll(() => useBackend('onnxruntime', { threads: 1 }))
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-checkpoint-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/** The message a user would read. */
async function complaint(action: () => unknown): Promise<string> {
  try {
    await action()
  } catch (error) {
    if (error instanceof UserError) return error.format()
    throw error
  }
  throw new Error('nothing was wrong')
}

function fileWith(header: unknown, dataBytes: number): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const file = join(dir, 'model.safetensors')
  writeFileSync(file, Buffer.concat([length, json, Buffer.alloc(dataBytes)]))
  return file
}

const f32 = (shape: number[], begin: number, end: number) => ({ dtype: 'F32', shape, data_offsets: [begin, end] })

describe('a safetensors header that lies is refused by name', () => {
  test.each([
    [
      'of a tensor that is larger than its bytes',
      { w: f32([4], 0, 8) },
      8,
      /'w' \(F32 \[4\]\) needs 16 bytes.*gives it 8/
    ],
    ['of a tensor beyond the end of the file', { w: f32([4], 0, 16) }, 8, /cut short: tensor 'w' ends at byte/],
    ['of tensors that overlap', { a: f32([2], 0, 8), b: f32([2], 4, 12) }, 12, /'b' overlaps/],
    ['of a gap between tensors', { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /'b' leaves a gap/],
    ['of bytes that belong to nothing', { a: f32([1], 0, 4) }, 12, /8 bytes that belong to no tensor/],
    ['of a negative shape', { a: f32([-1], 0, 4) }, 4, /'a' has no valid shape/],
    ['of an unknown type', { a: { ...f32([1], 0, 4), dtype: 'F7' } }, 4, /'a' has the type "F7"; known are F64/],
    ['that is not JSON', '{"a": ', 4, /the header is not JSON/],
    ['that is not an object', '[1]', 4, /the header is not a JSON object/]
  ])('%s', async (_, header, bytes, message) => {
    const file = fileWith(header, bytes)
    const text = await complaint(() => readSafetensorsHeader(file))
    expect(text).toMatch(message)
    expect(text).toContain(file)
  })

  test('of a header longer than the file, or absurdly long', async () => {
    const file = join(dir, 'model.safetensors')
    const length = Buffer.alloc(16)
    length.writeBigUInt64LE(1000n)
    writeFileSync(file, length)
    expect(await complaint(() => readSafetensorsHeader(file))).toMatch(/claims 1000 bytes but the file has only 16/)
    length.writeBigUInt64LE(2n ** 63n)
    writeFileSync(file, length)
    expect(await complaint(() => readSafetensorsHeader(file))).toMatch(/more than the 100000000 allowed/)
    writeFileSync(file, 'abc')
    expect(await complaint(() => readSafetensorsHeader(file))).toMatch(/3 bytes, shorter than/)
  })
})

test('a tensor survives writing and reading, in F32 exactly and in F16 to its precision', () => {
  const data = Float32Array.of(0, -1.5, 2.71, 65504, 6.1e-5, -1e-7)
  for (const [dtype, tolerance] of [
    ['F32', 0],
    ['F16', 1e-3]
  ] as const) {
    const file = join(dir, `${dtype}.safetensors`)
    writeSafetensors(file, new Map([['w', { shape: [2, 3], data }]]), { dtype })
    const entry = readSafetensorsHeader(file).tensors.get('w')!
    expect(entry).toMatchObject({ dtype, shape: [2, 3] })
    for (const [i, value] of readTensor('w', entry).entries())
      expect(Math.abs(value - data[i]!)).toBeLessThanOrEqual(
        tolerance * Math.abs(data[i]!) + (tolerance > 0 ? 1e-7 : 0)
      )
  }
})

describe('a model folder', () => {
  const original = join(__dirname, 'golden', 'gpt2')
  beforeEach(() => cpSync(original, dir, { recursive: true }))

  const rewrite = (file: string, change: (json: Record<string, unknown>) => void) => {
    const json = JSON.parse(readFileSync(join(dir, file), 'utf8')) as Record<string, unknown>
    change(json)
    writeFileSync(join(dir, file), JSON.stringify(json))
  }

  test.each(['config.json', 'tokenizer.json'])('without %s says so', async (file) => {
    rmSync(join(dir, file))
    expect(await complaint(() => openModel(dir))).toContain(`${file} is missing`)
  })

  test('without weights says how to convert them', async () => {
    rmSync(join(dir, 'model.safetensors'), { force: true })
    rmSync(join(dir, 'model.safetensors.index.json'), { force: true })
    expect(await complaint(() => openModel(dir))).toMatch(/no weights.*\n.*save_pretrained/)
  })

  test('of an unknown architecture names the known ones', async () => {
    rewrite('config.json', (json) => {
      json.model_type = 'gptt2'
    })
    expect(await complaint(() => openModel(dir))).toMatch(/"gptt2" is not supported[\s\S]*gpt2, gptj, .*llama/)
  })

  test('whose weights do not fit its config says which tensor', async () => {
    rewrite('config.json', (json) => {
      json.vocab_size = 7
    })
    expect(await complaint(() => openModel(dir))).toMatch(/tensor '.*wte.weight' has the shape/)
  })

  test('with a truncated file is refused', async () => {
    const { tensors } = readSafetensorsHeader(join(dir, 'model.safetensors'))
    const size = Math.max(...[...tensors.values()].map((t) => t.offset + t.bytes))
    truncateSync(join(dir, 'model.safetensors'), size - 10)
    expect(await complaint(() => openModel(dir))).toMatch(/model\.safetensors: the file is cut short/)
  })

  test('with a damaged config is refused', async () => {
    writeFileSync(join(dir, 'config.json'), '{')
    expect(await complaint(() => openModel(dir))).toMatch(/config\.json: not JSON/)
  })
})

describe('shards', () => {
  const index = (map: object) =>
    writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }))
  beforeEach(() => {
    cpSync(join(__dirname, 'golden', 'llama'), dir, { recursive: true })
    rmSync(join(dir, 'model.safetensors'), { force: true })
  })

  test('that are missing are named', async () => {
    index({ 'lm_head.weight': 'model-00009-of-00009.safetensors' })
    expect(await complaint(() => openModel(dir))).toContain(
      'a shard of the checkpoint is missing: model-00009-of-00009'
    )
  })

  test('cannot point outside the folder', async () => {
    index({ 'lm_head.weight': '../../etc/passwd' })
    expect(await complaint(() => openModel(dir))).toContain('no valid weight_map')
  })
})

test.each(Object.keys(expected.models))('a %s model that is saved opens again with the same weights', async (name) => {
  const model = await openModel(join(__dirname, 'golden', name))
  const weights = new Map(model.weightNames().map((w) => [w, model.weight(w).dataSync() as Float32Array]))
  const files = Object.fromEntries(
    ['tokenizer.json', 'tokenizer_config.json'].map((f) => [
      f,
      readFileSync(join(__dirname, 'golden', name, f), 'utf8')
    ])
  )
  saveModel(dir, model.config, weights, files, { dtype: 'F32', endOfText: model.tokenizer.endOfText })
  const again = await openModel(dir)
  expect(again.weightsHash()).toBe(model.weightsHash())
  expect(again.config).toEqual(model.config)
  model.dispose()
  again.dispose()
})

describe('a model that is not here', () => {
  test('by a Hugging Face id: what is missing and every way to get it', async () => {
    const text = await complaint(() => resolveModel('EleutherAI/gpt-j-6b'))
    expect(text).toMatch(/weights of EleutherAI\/gpt-j-6b .*GB\) are not on this machine/)
    for (const way of ['bench fetch EleutherAI/gpt-j-6b', '--model DIR', '--model gptj-mini'])
      expect(text).toContain(way)
  })

  test('by a name nobody knows: the embedded ones are listed', async () => {
    expect(await complaint(() => resolveModel('gptj-maxi'))).toMatch(/no model 'gptj-maxi'[\s\S]*gptj-mini/)
  })
})
