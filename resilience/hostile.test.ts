import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DATASETS, loadCases } from '../datasets'
import { loadEdit, saveEdit } from '../harness/edit/store'
import { UserError } from '../harness/errors'
import { readCheckpointIndex, writeSafetensors } from '../harness/model/checkpoint'
import { readModelConfig } from '../harness/model/language-model'
import { loadTokenizer } from '../harness/model/tokenizer'
import { packageRoot } from '../harness/package-root'

/* Small files made to cost much: each is refused at once by one message. */

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-hostile-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const GOLDEN = join(packageRoot(), 'harness', 'model', 'golden')

/** What it says; anything but a `UserError` is thrown on. In seconds, where it took minutes. */
function refusal(work: () => unknown): string {
  const start = performance.now()
  try {
    work()
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    expect(performance.now() - start).toBeLessThan(20_000)
    return error.format()
  }
  throw new Error('it was accepted')
}

describe('pickles', () => {
  /** A stream of pickles as torch wrote them before 1.6, up to the dictionary. */
  const MAGIC = Buffer.from([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e])
  const PROTOCOL = Buffer.from([0x80, 2, 0x4d, 0xe9, 0x03, 0x2e])
  const MACHINE = Buffer.from([0x80, 2, 0x7d, 0x2e])
  const open = (...program: (string | number[] | Buffer)[]) => {
    const parts = program.map((p) => (typeof p === 'string' ? Buffer.from(p, 'latin1') : Buffer.from(p)))
    writeFileSync(join(dir, 'pytorch_model.bin'), Buffer.concat([MAGIC, PROTOCOL, MACHINE, ...parts]))
    return refusal(() => readCheckpointIndex(dir))
  }
  const text = (s: string) => Buffer.concat([Buffer.from([0x8c, s.length]), Buffer.from(s)])

  test('a name that is a list of lists of lists, 2^40 long when written out', () => {
    // ']' list, 'q' keep, then forty times: a list that holds the one before twice.
    const doubled = Array.from({ length: 40 }, (_, i) => [0x5d, 0x71, i + 1, 0x68, i, 0x61, 0x68, i, 0x61]).flat()
    expect(open([0x5d, 0x71, 0], doubled, [0x68, 40, 0x93, 0x2e])).toMatch(/refused: a global without a name/)
  })
  test('a dictionary that holds itself', () => {
    expect(open([0x7d, 0x71, 0], text('state_dict'), [0x68, 0, 0x73, 0x2e], '].')).toMatch(/it holds no tensor/)
  })
  test('40 million dictionaries', () => {
    expect(open(Buffer.alloc(40e6, '}'))).toMatch(/it piles up more than 100000 values/)
  })
  test('millions of dictionaries in a list', () => {
    expect(open([0x5d], Buffer.from('}a'.repeat(5e6)))).toMatch(/it makes more than 2000000 objects/)
  })
  test('a tensor of a trillion elements over a storage of one', () => {
    const int = (n: number) => {
      const b = Buffer.alloc(5, 0x4a)
      b.writeInt32LE(n, 1)
      return b
    }
    const storage = [text('storage'), 'ctorch\nFloatStorage\n', text('0'), text('cpu'), int(1), 't', [0x51]]
    const tensor = ['ctorch._utils\n_rebuild_tensor_v2\n((', ...storage, int(0)]
    const shaped = [...tensor, int(1e6), int(1e6), [0x86], int(0), int(0), [0x86], 't', [0x52]]
    const keys = [[0x80, 2], '](', text('0'), 'e.', Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]
    expect(open('}(', text('w'), ...shaped, 'u.', ...(keys as Buffer[]))).toMatch(
      /'w' has 1000000000000 elements, its storage 1/
    )
  })
})

describe('zip archives', () => {
  const changed = (change: (bytes: Buffer) => Buffer) => {
    const source = join(packageRoot(), 'harness', 'model', 'checkpoint', 'golden', 'zip.bin')
    writeFileSync(join(dir, 'pytorch_model.bin'), change(readFileSync(source)))
    return refusal(() => readCheckpointIndex(dir))
  }
  const end = (bytes: Buffer) => bytes.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))

  test('a directory at the end of 64 bits', () => {
    const locator = Buffer.alloc(20)
    locator.writeUInt32LE(0x07064b50)
    locator.writeBigUInt64LE(2n ** 64n - 1n, 8)
    expect(changed((b) => Buffer.concat([b.subarray(0, end(b)), locator, b.subarray(end(b))]))).toMatch(
      /beyond the end/
    )
  })
  test('an entry whose header lies behind the file', () => {
    const at = (b: Buffer) => b.indexOf(Buffer.from([0x50, 0x4b, 1, 2]))
    expect(
      changed((b) => {
        b.writeUInt32LE(0xfffffff0, at(b) + 42)
        return b
      })
    ).toMatch(/lies beyond the end/)
  })
  test('64-bit sizes that the extra field does not hold', () => {
    const at = (b: Buffer) => b.indexOf(Buffer.from([0x50, 0x4b, 1, 2]))
    expect(
      changed((b) => {
        b.writeUInt32LE(0xffffffff, at(b) + 24)
        return b
      })
    ).toMatch(/damaged|cut short/)
  })
})

describe('config.json', () => {
  const withKeys = (family: string, change: object) => {
    cpSync(join(GOLDEN, family, 'config.json'), join(dir, 'config.json'))
    const json = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...json, ...change }))
    return refusal(() => readModelConfig(dir))
  }
  test.each([
    ['gptj', { n_layer: 1e9 }, /'n_layer' must be a whole number from 1 to 10000/],
    ['gemma3', { num_hidden_layers: 1e9 }, /'num_hidden_layers' must be/],
    ['gptj', { n_head: 0 }, /'n_head' must be a whole number from 1/],
    ['gptj', { n_head: 7 }, /a width of \d+ cannot be shared by 7 heads/],
    ['gptj', { rotary_dim: 3 }, /3 of the \d+ dimensions of a head cannot be rotated/],
    ['gptj', { rotary_dim: 1e9 }, /cannot be rotated/],
    ['gptj', { n_embd: null }, /'n_embd' must be a number, found null/],
    ['gptj', { layer_norm_epsilon: -1 }, /epsilon of the norms cannot be -1/],
    ['llama', { num_key_value_heads: 3 }, /cannot share 3 of keys and values/],
    ['gptj', { vocab_size: 1e18 }, /'vocab_size' must be/],
    ['gptj', { constructor: 1 }, /the key 'constructor' is not understood/],
    ['gptj', { model_type: { toString: 1 } }, /model_type \{"toString":1\} is not supported/]
  ])('%s with %j', (family, change, message) => expect(withKeys(family, change)).toMatch(message))

  test.each([
    ['null', /found null/],
    ['[]', /found an array/],
    ['', /the file is empty/],
    [`${'['.repeat(1e6)}${']'.repeat(1e6)}`, /more than 100 deep/],
    [`{"model_type":${'['.repeat(1e5)}${']'.repeat(1e5)}}`, /more than 100 deep/]
  ])('%#', (content, message) => {
    writeFileSync(join(dir, 'config.json'), content)
    expect(refusal(() => readModelConfig(dir))).toMatch(message)
  })

  test('a string of 60 million characters', () => {
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ model_type: 'x'.repeat(60e6) }))
    expect(refusal(() => readModelConfig(dir)).length).toBeLessThan(5000)
  })

  test('a file of gigabytes', () => {
    writeFileSync(join(dir, 'config.json'), '{')
    truncateSync(join(dir, 'config.json'), 6e9)
    expect(refusal(() => readModelConfig(dir))).toMatch(/6000000000 bytes are more than such a file has/)
  })
})

describe('tokenizer.json', () => {
  const withPart = (change: (json: Record<string, unknown>) => object, text?: string) => {
    cpSync(join(GOLDEN, 'gptj'), dir, { recursive: true })
    const file = join(dir, 'tokenizer.json')
    const json = JSON.parse(readFileSync(file, 'utf8'))
    writeFileSync(file, JSON.stringify({ ...json, ...change(json) }))
    return refusal(() => loadTokenizer(dir).encode(text ?? ''))
  }
  const replace = (times: number) => ({ type: 'Replace', pattern: { String: 'a' }, content: 'a'.repeat(times) })

  test('an id of 1e9', () => {
    const vocab = (json: Record<string, unknown>) => json.model as { vocab: object }
    expect(withPart((j) => ({ model: { ...vocab(j), vocab: { ...vocab(j).vocab, zzz: 1e9 } } }))).toMatch(/vocab\.zzz/)
    expect(withPart(() => ({ added_tokens: [{ id: 1e9, content: 'zzz', special: true }] }))).toMatch(/"zzz"/)
  })
  test('normalizers that make a text a billion times as long', () => {
    const normalizer = { type: 'Sequence', normalizers: Array.from({ length: 9 }, () => replace(10)) }
    expect(withPart(() => ({ normalizer }), 'a')).toMatch(/makes texts up to 1000000000 times as long/)
    expect(withPart(() => ({ decoder: replace(1e6) }))).toMatch(/the decoder .* 1000000 times as long/)
  })
  test('a pattern that goes back and forth for ever', () => {
    const pre_tokenizer = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false }
    expect(withPart(() => ({ pre_tokenizer }), `${'a'.repeat(60)}b`)).toMatch(/takes more than 10 seconds/)
  }, 30_000)
  test('a template that names no tokens', () => {
    const post_processor = { type: 'TemplateProcessing', single: [null], special_tokens: {} }
    expect(withPart(() => ({ post_processor }))).toMatch(/the post-processor TemplateProcessing/)
    const stranger = [{ SpecialToken: { id: '<stranger>' } }, { Sequence: { id: 'A' } }]
    expect(withPart(() => ({ post_processor: { ...post_processor, single: stranger } }))).toMatch(
      /puts a token before a text that the vocabulary does not have/
    )
    for (const single of [[], [{ Sequence: { id: 'B' } }], [{ Sequence: { id: 'A' } }, { Sequence: { id: 'A' } }]])
      expect(withPart(() => ({ post_processor: { ...post_processor, single } }))).toMatch(/must hold the text once/)
  })
})

describe('data files', () => {
  const reading = async (write: (file: string) => void) => {
    const file = join(dir, 'data.json')
    write(file)
    const [dataset] = DATASETS
    try {
      for await (const { id } of loadCases(dataset!, file, { onBadRecord: 'fail', seed: 0 })) void id
    } catch (error) {
      if (error instanceof UserError) return error.format()
      throw error
    }
    return 'accepted'
  }
  test('a record that never ends', async () => {
    const endless = (file: string) => {
      writeFileSync(file, '[{"prompt": "')
      truncateSync(file, 6e9)
    }
    expect(await reading(endless)).toMatch(/data\.json:1: a record of more than 268435456 bytes/)
  })
  test('a record a million lists deep', async () => {
    const deep = (file: string) => writeFileSync(file, `[${'['.repeat(1e6)}${']'.repeat(1e6)}]`)
    expect(await reading(deep)).toMatch(/data\.json/)
    const inside = (file: string) => writeFileSync(file, `[{"prompt":${'['.repeat(1e6)}${']'.repeat(1e6)}}]`)
    expect(await reading(inside)).toMatch(/data\.json/)
  })
})

describe('stored edits', () => {
  const part = { kind: 'low-rank', site: 's', out: 2, in: 3, rank: 1 } as const
  const stored = (change: object, u = [1, 2]) => {
    const at = join(dir, 'edit')
    const low = { ...part, u: Float32Array.from(u), v: Float32Array.of(1, 2, 3) }
    saveEdit(at, { method: 'rome', requests: [], parts: [low], diagnostics: {} }, { name: 'm', hash: 'h' })
    const json = JSON.parse(readFileSync(join(at, 'edit.json'), 'utf8'))
    writeFileSync(join(at, 'edit.json'), JSON.stringify({ ...json, parts: [{ ...part, ...change }] }))
    return refusal(() => loadEdit(at))
  }
  test.each([
    [{ rank: 0 }, /rank/],
    [{ rank: undefined }, /expected number, received undefined\s+→ at parts\[0\]\.rank/],
    [{ rank: 1.5 }, /rank/],
    [{ out: 1e12 }, /out/],
    [{ in: -3 }, /in/],
    [{ rank: 1e6 }, /not of the 2000000 numbers/]
  ])('%j', (change, message) => expect(stored(change)).toMatch(message))
  test('numbers that are not finite', () => expect(stored({}, [1, Number.NaN])).toMatch(/not finite/))
  test('without its tensors', () => {
    writeFileSync(join(dir, 'edit.json'), '{}')
    expect(refusal(() => loadEdit(dir))).toMatch(/not a stored edit/)
  })
})

test('an index whose shards lie elsewhere', () => {
  writeSafetensors(join(dir, 'a.safetensors'), new Map())
  for (const shard of ['../a.safetensors', '..', '/etc/passwd', '.hidden', '']) {
    writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { w: shard } }))
    expect(refusal(() => readCheckpointIndex(dir))).toMatch(/no valid weight_map/)
  }
})
