import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { applyOverrides } from '../cli/overrides'
import { loadConfig } from '../config/load'
import { UserError } from '../errors'
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
  const [one, again, workers, seed, limit] = await Promise.all([
    plan(),
    plan(),
    plan(CONFIG, { workers: 1 }),
    plan(CONFIG, { seed: 1 }),
    plan(CONFIG, { limit: 5 })
  ])
  expect(again!.hash).toBe(one!.hash)
  expect(workers!.hash).toBe(one!.hash)
  expect(new Set([one!.hash, seed!.hash, limit!.hash]).size).toBe(3)
})

it('takes one dataset twice under two labels', async () => {
  const text = CONFIG.replace('  - name: zsre', '  - name: counterfact\n    label: train\n    split: train')
  const { settings } = await plan(text)
  expect(settings.map((s) => s.id)).toContain('rome--gptj-mini--train')
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
