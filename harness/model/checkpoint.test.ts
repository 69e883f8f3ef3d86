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
      json.vocab_size = 700
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

describe('what transformers opens opens here, with the same weights:', () => {
  const copy = (name: string) => cpSync(join(__dirname, 'golden', name), dir, { recursive: true })
  const tensorsOf = () => {
    const { tensors } = readSafetensorsHeader(join(dir, 'model.safetensors'))
    return new Map([...tensors].map(([name, entry]) => [name, { shape: entry.shape, data: readTensor(name, entry) }]))
  }
  const hashOf = async (where: string) => {
    const model = await openModel(where)
    const hash = model.weightsHash()
    model.dispose()
    return hash
  }
  const rename = (name: string, how: (tensor: string) => string, metadata = {}) => {
    copy(name)
    const renamed = new Map([...tensorsOf()].map(([tensor, content]) => [how(tensor), content]))
    writeSafetensors(join(dir, 'model.safetensors'), renamed, { metadata })
  }

  test.each([
    ['the bare GPT-NeoX', 'gpt-neox', (t: string) => t.replace(/^gpt_neox\./, '')],
    ['the bare GPT-J', 'gptj-tied', (t: string) => t.replace(/^transformer\./, '')],
    ['the bare OPT', 'opt', (t: string) => t.replace(/^model\./, '')],
    ['the text part of a larger model', 'gemma3', (t: string) => `language_model.${t}`],
    ['the same, nested the newer way', 'gemma3', (t: string) => t.replace(/^model\./, 'model.language_model.')],
    ['tied embeddings saved as the head', 'qwen2', (t: string) => t.replace('model.embed_tokens', 'lm_head')]
  ])('%s', async (_, name, how) => {
    rename(name, how)
    expect(await hashOf(dir)).toBe(await hashOf(join(__dirname, 'golden', name)))
  })

  test('tied tensors of which the metadata says the stored name', async () => {
    rename('qwen2', (t) => t.replace('model.embed_tokens.weight', 'stored.weight'), {
      'model.embed_tokens.weight': 'stored.weight'
    })
    expect(await hashOf(dir)).toBe(await hashOf(join(__dirname, 'golden', 'qwen2')))
  })

  test('a model of text and pictures by its text_config', async () => {
    copy('gemma3')
    const text = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')) as object
    writeFileSync(
      join(dir, 'config.json'),
      JSON.stringify({ model_type: 'gemma3', vision_config: {}, text_config: text })
    )
    expect(await hashOf(dir)).toBe(await hashOf(join(__dirname, 'golden', 'gemma3')))
    writeFileSync(join(dir, 'config.json'), '{"model_type": "gemma3"}')
    expect(await complaint(() => openModel(dir))).toMatch(/text and pictures, whose text part is missing/)
  })

  test('unused tensors of any type do not matter', async () => {
    copy('gpt2')
    const file = join(dir, 'model.safetensors')
    const bytes = readFileSync(file)
    const length = Number(bytes.readBigUInt64LE())
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<string, unknown>
    const end = bytes.length - 8 - length
    header.scale = { dtype: 'F8_E4M3', shape: [3], data_offsets: [end, end + 3] }
    const json = Buffer.from(JSON.stringify(header))
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(BigInt(json.length))
    writeFileSync(file, Buffer.concat([size, json, bytes.subarray(8 + length), Buffer.alloc(3)]))
    expect(await hashOf(dir)).toBe(await hashOf(join(__dirname, 'golden', 'gpt2')))
    const entry = readSafetensorsHeader(file).tensors.get('scale')!
    expect(() => readTensor('scale', entry)).toThrow(/F8_E4M3, needed is one of F64, F32/)
  })
})

it('hashes weights again only when their files changed', async () => {
  cpSync(join(__dirname, 'golden', 'gptj'), dir, { recursive: true })
  const first = await openModel(dir)
  const known = { ...first.identity, hash: 'known', weightsHash: 'known' }
  const same = await openModel(dir, known)
  expect(same.hash).toBe('known')
  // What is in memory now is always looked at.
  expect(same.weightsHash()).toBe(first.identity.weightsHash)
  // The same bytes written anew are other files.
  writeFileSync(join(dir, 'model.safetensors'), readFileSync(join(dir, 'model.safetensors')))
  const touched = await openModel(dir, known)
  expect(touched.hash).toBe(first.hash)
  for (const model of [first, same, touched]) model.dispose()
})

describe('a key of config.json that is not understood', () => {
  const withKey = async (name: string, change: object) => {
    cpSync(join(__dirname, 'golden', name), dir, { recursive: true })
    const file = join(dir, 'config.json')
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...change }))
    return complaint(() => openModel(dir))
  }

  test.each<[string, object, RegExp]>([
    [
      'gpt2',
      { scale_attn_by_inverse_layer_idx: true },
      /'scale_attn_by_inverse_layer_idx' is supported as false, found true/
    ],
    ['gpt2', { add_cross_attention: true }, /'add_cross_attention' is supported as false/],
    ['gptj', { rotary_emb_bias: 3 }, /the key 'rotary_emb_bias' is not understood/],
    ['llama', { residual_multiplier: 0.2 }, /the key 'residual_multiplier' is not understood/],
    ['llama', { quantization_config: { bits: 4 } }, /'quantization_config' is not understood[\s\S]*quantised/],
    ['llama3', { rope_parameters: { rope_type: 'llama3', mystery: 1 } }, /'rope_parameters\.(factor|mystery)'/],
    [
      'qwen2-yarn',
      { rope_parameters: { rope_type: 'yarn', factor: 4, mscale: 2 } },
      /'rope_parameters\.mscale' is not understood/
    ],
    ['llama', { rope_parameters: { rope_type: 'longrope' } }, /rotary scaling "longrope" is not supported/],
    ['llama', { partial_rotary_factor: 0.5 }, /'partial_rotary_factor' is supported as 1/],
    [
      'qwen3',
      { layer_types: ['linear_attention', 'full_attention', 'full_attention'] },
      /'layer_types' must be a list of 3/
    ],
    ['gemma3', { attn_logit_softcapping: 3 }, /'attn_logit_softcapping' is supported as null/],
    ['gemma3', { use_bidirectional_attention: true }, /'use_bidirectional_attention' is supported as false/],
    ['opt', { layer_norm_elementwise_affine: false }, /'layer_norm_elementwise_affine' is supported as true/],
    ['llama', { num_hidden_layers: 2.5 }, /'num_hidden_layers' must be a whole number from 1 to 10000, found 2\.5/]
  ])('of %s is refused by name: %j', async (name, change, message) => {
    const text = await withKey(name, change)
    expect(text).toMatch(message)
    expect(text).toContain('config.json')
  })

  test('is no hindrance when it is harmless', async () => {
    cpSync(original(), dir, { recursive: true })
    const file = join(dir, 'config.json')
    const json = JSON.parse(readFileSync(file, 'utf8')) as object
    writeFileSync(file, JSON.stringify({ ...json, top_p: 0.9, torch_dtype: 'float16', mystery: null }))
    ;(await openModel(dir)).dispose()
  })
  const original = () => join(__dirname, 'golden', 'llama')
})

describe('files that are something else are called by their name:', () => {
  beforeEach(() => cpSync(join(__dirname, 'golden', 'gpt2'), dir, { recursive: true }))
  const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n'

  test.each([
    ['model.safetensors', pointer, /model\.safetensors: this is a Git LFS pointer/],
    ['tokenizer.json', pointer, /tokenizer\.json: this is a Git LFS pointer/],
    ['model.safetensors', '', /model\.safetensors: the file is empty/],
    ['config.json', 'null', /config\.json: a JSON object is expected, found null/],
    ['config.json', '[]', /config\.json: a JSON object is expected, found an array/]
  ])('%s', async (file, content, message) => {
    writeFileSync(join(dir, file), content)
    expect(await complaint(() => openModel(dir))).toMatch(message)
  })
})

test.each([Number.NaN, Number.POSITIVE_INFINITY])('a weight that is %s is refused, the tensor named', async (value) => {
  cpSync(join(__dirname, 'golden', 'gpt2'), dir, { recursive: true })
  const file = join(dir, 'model.safetensors')
  const { tensors } = readSafetensorsHeader(file)
  const all = new Map([...tensors].map(([name, e]) => [name, { shape: e.shape, data: readTensor(name, e) }]))
  all.get('transformer.h.1.mlp.c_proj.weight')!.data[7] = value
  writeSafetensors(file, all)
  expect(await complaint(() => openModel(dir))).toMatch(
    /'transformer\.h\.1\.mlp\.c_proj\.weight' holds values that are not finite/
  )
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
