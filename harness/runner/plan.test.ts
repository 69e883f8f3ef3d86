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
  expect(settings[1]!.method.hyperparameters).toMatchObject({ key: 'original', layer: 0, kl_factor: 0.0625 })
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
  expect(await complaint(CONFIG.replace('key: original', 'layer: 6'))).toMatch(
    /^my\.yaml:7: layer: there is no block 6: the model's are 0 to 5/
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
