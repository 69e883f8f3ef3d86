import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyOverrides } from '../cli/overrides'
import { loadConfig } from '../config/load'
import { UserError } from '../errors'
import { fileName } from '../file-name'
import { fileNames, shortNames } from './names'
import { planRun } from './plan'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-plan-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const CONFIG = `models: [gptj-mini]
methods:
  - name: rome
  - name: rome
    label: rome-original
    hyperparameters:
      key: original
datasets:
  - name: counterfact
  - name: zsre
limit: 25
`
function load(text: string) {
  const file = join(dir, 'my.yaml')
  writeFileSync(file, text)
  return loadConfig(file)
}
const plan = (text = CONFIG, flags = {}) => planRun(applyOverrides(load(text), flags))

async function complaint(text: string, flags = {}): Promise<string> {
  try {
    await plan(text, flags)
  } catch (error) {
    if (error instanceof UserError) return error.format().replaceAll(`${dir}/`, '')
    throw error
  }
  throw new Error('nothing was wrong')
}

it('pairs every method with every model and dataset, and cuts the cases into shards', async () => {
  const { settings, shards } = await plan()
  expect(settings.map((s) => s.id)).toEqual([
    'rome--gptj-mini--counterfact',
    'rome-original--gptj-mini--counterfact',
    'rome--gptj-mini--zsre',
    'rome-original--gptj-mini--zsre'
  ])
  expect(shards.map((s) => s.cases.length)).toEqual([10, 10, 5, 10, 10, 5])
})

it('fills hyper-parameters from the defaults, the model and the config, in this order', async () => {
  const { settings } = await plan()
  expect(settings[1]!.method.hyperparameters).toMatchObject({ key: 'original', layer: 2, kl_factor: 0.0625 })
})

it('has the same hash for the same work, whatever the machine, and another for other work', async () => {
  const hash = async (text = CONFIG, flags = {}) => (await plan(text, flags)).hash
  const one = await hash()
  expect(await Promise.all([hash(), hash(CONFIG, { workers: 1 }), hash(`${CONFIG}store_edits: 0\n`)])).toEqual([
    one,
    one,
    one
  ])
  const others = await Promise.all([
    hash(CONFIG, { seed: 1 }),
    hash(CONFIG, { limit: 5 }),
    hash(CONFIG.replace('key: original', 'key: prompt')),
    hash(CONFIG.replace('key: original', 'key: original\n      v_lr: 0.25')),
    hash(CONFIG.replace('name: zsre', 'name: zsre\n    options: { strict_book_portability: true }')),
    hash(`${CONFIG}scoring: { locality_tokens: 4 }\n`)
  ])
  expect(new Set([one, ...others]).size).toBe(others.length + 1)
  // A corpus is its content, wherever it lies.
  const corpus = async (name: string, text: string) => {
    writeFileSync(join(dir, name), text)
    return hash(`${CONFIG}corpus: ${name}\n`)
  }
  const [first, changed, moved] = [await corpus('a.txt', 'x'), await corpus('a.txt', 'y'), await corpus('b.txt', 'x')]
  expect(new Set([one, first, changed]).size).toBe(3)
  expect(moved).toBe(first)
})

it('asks the methods whether their hyper-parameters fit each model, before anything is read', async () => {
  expect(await complaint(CONFIG.replace('key: original', 'layer: 8'))).toMatch(
    /^my\.yaml:7: layer: there is no block 8: the model's are 0 to 7/
  )
  const { estimateRun } = await import('./estimate')
  const { flops, seconds } = await estimateRun(await plan(CONFIG.replace('key: original', 'layer: 5')))
  expect(Math.min(flops, seconds)).toBeGreaterThan(0)
})

it('takes one dataset twice under two labels', async () => {
  const text = CONFIG.replace('  - name: zsre', '  - name: counterfact\n    label: train\n    split: train')
  const { settings } = await plan(text)
  expect(settings.map((s) => s.id)).toContain('rome--gptj-mini--train')
})

it('lets models write on from the prompts of edits, of every dataset, unless it has prompts for that', async () => {
  const zsre = CONFIG.replace('limit: 25', 'limit: 2\nscoring: { generation: true }')
  const both = zsre.replace('- name: counterfact', '- { name: counterfact, options: { generation: true } }')
  const { settings, hash } = await plan(zsre)
  const written = (of: typeof settings) =>
    of
      .filter((s) => s.label === 'rome')
      .map((s) => s.cases.map((c) => c.probes.flatMap((p) => (p.writes === undefined ? [] : [p.writes.prompts]))))
  for (const cases of written(settings)) expect(cases.map((c) => c.length)).toEqual([1, 1])
  const ofZsre = settings.find((s) => s.id === 'rome--gptj-mini--zsre')!
  expect(written([ofZsre])).toEqual([ofZsre.cases.map((c) => [c.requests.map((r) => r.prompt)])])
  expect(ofZsre.dataset.measures).toEqual(['fluency'])
  const [own] = written((await plan(both)).settings)
  expect(own!.map((c) => c.length)).toEqual([1, 1])
  expect(own![0]![0]!.length).toBeGreaterThan(1)
  const without = await plan(zsre.replace('generation: true', ''))
  expect(written(without.settings).flat(2)).toEqual([])
  expect(without.hash).not.toBe(hash)
})

describe('protocols', () => {
  const FT = 'models: [gptj-mini]\nmethods:\n  - name: ft-l\ndatasets:\n  - name: zsre\nlimit: 25\n'
  const of = async (protocols: string, text = FT) => (await plan(`${text}protocols: ${protocols}\n`)).settings

  it('are settings of their own, named by what they are', async () => {
    const settings = await of('[single, batch: 10, { sequential: 20, batch: 5, orders: [1, 2] }]')
    expect(settings.map((s) => s.id)).toEqual([
      'ft-l--gptj-mini--zsre',
      'ft-l--gptj-mini--zsre--batch-10',
      'ft-l--gptj-mini--zsre--sequential-20-by-5-order-1',
      'ft-l--gptj-mini--zsre--sequential-20-by-5-order-2'
    ])
    const [all, , first, second] = settings.map((s) => s.cases.map((c) => c.id))
    expect(first).toHaveLength(20)
    expect(first).not.toEqual(all!.slice(0, 20))
    expect(first).not.toEqual(second)
    expect(all).toEqual(expect.arrayContaining(first!))
  })

  it('cut their cases between edits and at checkpoints, and chain what rests on what is before', async () => {
    const { shards } = await plan(`${FT}shard_size: 8\nprotocols: [batch: 3, { sequential: 20, ask_after: [2, 5] }]\n`)
    expect(shards.map((s) => [s.start, s.cases.length, s.previous, s.checkpoint])).toEqual([
      ...[0, 6, 12, 18, 24].map((start) => [start, Math.min(6, 25 - start), undefined, false]),
      [0, 2, undefined, true],
      [2, 3, 5, true],
      [5, 8, 6, false],
      [13, 7, 7, true]
    ])
  })

  it('share shards among methods, but for large batches, which workers share and an interruption does not lose', async () => {
    const two = FT.replace('  - name: ft-l\n', '  - name: ft-l\n  - name: ft\n')
    const shardsOf = async (size: number, shard: number) =>
      (await plan(`${two}shard_size: ${shard}\nprotocols: [batch: ${size}]\n`)).shards.map((s) => [
        s.settings.map((x) => x.label).join(' '),
        s.start,
        s.cases.length
      ])
    expect(await shardsOf(5, 10)).toEqual([
      ['ft-l ft', 0, 10],
      ['ft-l ft', 10, 10],
      ['ft-l ft', 20, 5]
    ])
    expect(await shardsOf(20, 10)).toEqual([
      ['ft-l', 0, 20],
      ['ft-l', 20, 5],
      ['ft', 0, 20],
      ['ft', 20, 5]
    ])
    const hash = async (shard: number) => (await plan(`${FT}shard_size: ${shard}\nprotocols: [batch: 20]\n`)).hash
    expect(await hash(10)).not.toBe(await hash(20))
  })

  it('ask large batches in parts, the first of which makes the edit', async () => {
    const large = `${FT.replace(/limit: \d+/, 'limit: 230')}protocols: [batch: 120]\n`
    const parts = async (config: string) =>
      (await plan(config)).shards.map((s) => [s.start, s.cases.length, s.previous, s.batch?.length])
    expect(await parts(large)).toEqual([
      [0, 100, undefined, 120],
      [100, 20, 0, undefined],
      [120, 100, undefined, 110],
      [220, 10, 2, undefined]
    ])
    // A shard that holds several batches, or serves several methods, is one.
    expect(await parts(`${large}shard_size: 300\n`)).toEqual([[0, 230, undefined, undefined]])
  })

  it('ask after powers of ten and at the end, unless told otherwise', async () => {
    const [sequence] = await of('[sequential: 25]')
    expect(sequence!.protocol).toMatchObject({ edits: 25, size: 1, askAfter: [1, 10, 25], orderSeed: null })
    const [longer] = await of('[sequential: 1000]')
    expect(longer!.protocol).toMatchObject({ edits: 25, askAfter: [1, 10, 25] })
  })

  it('are part of what a run is', async () => {
    const hash = async (protocols: string) => (await plan(`${FT}protocols: ${protocols}\n`)).hash
    const some = [
      '[single]',
      '[batch: 5]',
      '[sequential: 25]',
      '[{ sequential: 25, ask_after: [5] }]',
      '[{ sequential: 25, orders: [1] }]'
    ]
    expect(new Set(await Promise.all(some.map(hash))).size).toBe(some.length)
    expect(await hash('[single]')).toBe((await plan(FT)).hash)
  })

  const ROME = FT.replace('ft-l', 'rome')
  test.each([
    [
      'a batch for a method that holds one fact',
      ROME,
      '[single, batch: 10]',
      /^my\.yaml:7: ROME writes one fact an edit, and 10 cases/
    ],
    [
      'batches in sequence for it',
      ROME,
      '[{ sequential: 20, batch: 2 }]',
      /^my\.yaml:7: ROME writes one fact an edit, and 2 cases/
    ],
    [
      'a checkpoint inside a batch',
      FT,
      '[{ sequential: 20, batch: 5, ask_after: [7] }]',
      /^my\.yaml:7: asking after 7 cases would cut a batch of 5/
    ],
    [
      'a protocol there is not',
      FT,
      '[parallel]',
      /^my\.yaml:7: protocols\[0\]: expected 'single', '\{ batch: 100 \}' or/
    ],
    ['a batch of nothing', FT, '[batch: 0]', /^my\.yaml:7: protocols\[0\]\.batch: too small/]
  ])('refuse %s', async (_, text, protocols, message) =>
    expect(await complaint(`${text}protocols: ${protocols}\n`)).toMatch(message)
  )

  it('insert one after another when asked', async () => {
    const settings = await of('[{ batch: 10, one_by_one: true }]', ROME)
    expect(settings.map((s) => s.id)).toEqual(['rome--gptj-mini--zsre--batch-10-one-by-one'])
  })

  it('insert one after another where the method needs it, and together where it does not', async () => {
    const both =
      'models: [gptj-mini]\nmethods: [{ name: rome }, { name: memit }]\ndatasets: [{ name: zsre }]\nlimit: 20\n'
    const settings = await of('[{ batch: 10, one_by_one: where_needed }]', both)
    expect(settings.map((s) => s.id)).toEqual([
      'rome--gptj-mini--zsre--batch-10-one-by-one',
      'memit--gptj-mini--zsre--batch-10'
    ])
  })
})

describe('names in results', () => {
  it('are the shortest tails of folders that tell them apart, and ids of the hub as they are', () => {
    const folders = new Set(['/home/x/a/m', '/home/x/b/m', '/home/x/c'])
    const names = shortNames([...folders, 'EleutherAI/gpt-j-6b'], (m) => folders.has(m))
    expect([...names.values()]).toEqual(['a/m', 'b/m', 'c', 'EleutherAI/gpt-j-6b'])
    expect([...fileNames(['a/m', 'b/m', 'EleutherAI/gpt-j-6b']).values()]).toEqual(['a_m', 'b_m', 'gpt-j-6b'])
  })
  it('lead out of no folder', () => {
    for (const name of ['../..', '.hidden', 'a/../b', 'é|x', '..', 'x'.repeat(500)]) {
      expect(fileName(name)).toMatch(/^[\w-][\w.-]{0,99}$/)
      expect(fileName(`${name}/`)).not.toBe(fileName(name))
    }
    expect(fileName('case-1.2')).toBe('case-1.2')
  })
})

describe('flags', () => {
  it('choose methods by name or label, datasets and limits', async () => {
    const { settings } = await plan(CONFIG, { method: ['rome-original'], dataset: ['zsre'], limit: 3 })
    expect(settings.map((s) => s.id)).toEqual(['rome-original--gptj-mini--zsre'])
    expect(settings[0]!.dataset.cases).toHaveLength(3)
  })

  it('choose protocols by name, and errors name the lines of the file', async () => {
    const three = CONFIG.replace(
      'limit: 25',
      'protocols:\n  - single\n  - { batch: 5, one_by_one: true }\n  - { sequential: 20, batch: 2 }\nlimit: 25'
    )
    const ids = async (...protocol: string[]) =>
      (await plan(three, { protocol, method: ['rome-original'], dataset: ['zsre'] })).settings.map((s) => s.id)
    expect(await ids('batch-5')).toEqual(['rome-original--gptj-mini--zsre--batch-5-one-by-one'])
    expect(await ids('batch-5', 'single')).toEqual([
      'rome-original--gptj-mini--zsre',
      'rome-original--gptj-mini--zsre--batch-5-one-by-one'
    ])
    expect(await complaint(three, { protocol: ['batch-6'] })).toBe(
      "--protocol: the config has no protocol 'batch-6', did you mean 'batch-5'?\n  it has single, batch-5, sequential-20-by-2"
    )
    // ROME cannot hold two: that is said of the line it stands in, though it is the first of those chosen.
    expect(await complaint(three, { protocol: ['sequential-20-by-2'] })).toMatch(/^my\.yaml:14: ROME writes one fact/)
    const wrong = three.replace('key: original', 'key: other')
    expect(await complaint(wrong, { method: ['rome-original'], protocol: ['single'] })).toMatch(/^my\.yaml:7: /)
    expect(await complaint(three, { method: ['kn'], protocol: ['sequential-20-by-2'] })).toMatch(/^my\.yaml:14: /)
  })

  it('add a method or dataset that the config does not have', async () => {
    const { settings } = await plan(CONFIG, { method: ['ft-l'] })
    expect(settings[0]!.method.name).toBe('ft-l')
  })
})

describe('says in one message what is wrong and where', () => {
  test.each([
    [
      'an unknown method',
      CONFIG.replace('- name: rome\n', '- name: rmoe\n'),
      {},
      /^my\.yaml:3: unknown method 'rmoe', did you mean 'rome'\?/
    ],
    [
      'an unknown dataset',
      CONFIG.replace('zsre', 'zsr'),
      {},
      /^my\.yaml:10: unknown dataset 'zsr', did you mean 'zsre'\?/
    ],
    [
      'an unknown hyper-parameter',
      CONFIG.replace('key:', 'kye:'),
      {},
      /^my\.yaml:7: unknown key 'kye' in methods\[1\]\.hyperparameters, did you mean 'key'\?/
    ],
    [
      'a hyper-parameter out of range',
      CONFIG.replace('key: original', 'layer: -1'),
      {},
      /^my\.yaml:7: methods\[1\]\.hyperparameters\.layer/
    ],
    [
      'two settings of one name',
      CONFIG.replace('    label: rome-original\n', ''),
      {},
      /two entries come to the same setting 'rome--gptj-mini--counterfact'/
    ],
    ['an unknown model', CONFIG.replace('gptj-mini', 'gptj-mino'), {}, /no model 'gptj-mino'/],
    [
      'a data file that is not there',
      CONFIG.replace('name: zsre', 'name: zsre\n    source: no.json'),
      {},
      /^no\.json: no such data file/
    ],
    ['an unknown --method', CONFIG, { method: ['rmoe'] }, /^--method: unknown method 'rmoe'/],
    ['a --limit that is no number', CONFIG, { limit: Number.NaN }, /^--limit: must be a whole number from 1/],
    [
      'a --source of several datasets',
      CONFIG,
      { source: 'a.json' },
      /^--source: is the file of one dataset, this run has 2/
    ]
  ])('%s', async (_, text, flags, message) => expect(await complaint(text, flags)).toMatch(message))
})
