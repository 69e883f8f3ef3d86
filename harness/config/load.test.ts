import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findMethod } from '../../methods'
import { UserError } from '../errors'
import { packageRoot } from '../package-root'
import { configJsonSchema } from './json-schema'
import { loadConfig } from './load'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-config-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const VALID = 'models: [gptj-mini]\nmethods:\n  - name: rome\ndatasets:\n  - name: zsre\n'

function load(text: string) {
  const file = join(dir, 'my.yaml')
  writeFileSync(file, text)
  return loadConfig(file)
}

function complaint(text: string): string {
  try {
    load(text)
  } catch (error) {
    if (error instanceof UserError) return error.format().replace(`${dir}/`, '')
    throw error
  }
  throw new Error('nothing was wrong')
}

it('fills in defaults and takes the name from the file', () => {
  const { config } = load(VALID)
  expect(config).toMatchObject({ name: 'my', seed: 0, shard_size: 10, backend: 'auto', workers: 'auto' })
  expect(config.datasets[0]).toMatchObject({ split: 'test', on_bad_record: 'fail' })
})

it('takes paths from where the config lies', () => {
  const { config } = load(`${VALID}    source: data/zsre.json\ncorpus: /absolute/text.txt\n`)
  expect(config.datasets[0]!.source).toBe(join(dir, 'data/zsre.json'))
  expect(config.corpus).toBe('/absolute/text.txt')
})

describe('says in one message what is wrong and where', () => {
  test.each([
    ['broken YAML', 'models: [gptj-mini\nmethods:\n', /^my\.yaml:\d+:\d+: not valid YAML/],
    ['a key that does not exist', `${VALID}sed: 3\n`, /^my\.yaml:6: unknown key 'sed', did you mean 'seed'\?/],
    [
      'a key deep inside',
      VALID.replace('name: zsre', 'name: zsre\n    on_bad_recod: skip'),
      /^my\.yaml:6: unknown key 'on_bad_recod' in datasets\[0\], did you mean 'on_bad_record'\?/
    ],
    ['a value of the wrong type', `${VALID}limit: many\n`, /^my\.yaml:6: limit: /],
    ['a value out of range', `${VALID}limit: 0\n`, /^my\.yaml:6: limit: /],
    ['a missing key', 'models: [a]\ndatasets:\n  - name: zsre\n', /^my\.yaml.*: methods: /],
    ['an empty list', VALID.replace('[gptj-mini]', '[]'), /^my\.yaml:1: models: /],
    ['an empty file', '', /^my\.yaml.*: models: /],
    ['a list instead of keys', '- a\n', /^my\.yaml.*: /],
    ['a label that is no file name', VALID.replace('rome', 'rome\n    label: a/b'), /^my\.yaml:4: methods\[0\]\.label/]
  ])('%s', (_, text, message) => expect(complaint(text)).toMatch(message))

  test('an example of the package is found from any folder', () => {
    const here = process.cwd()
    process.chdir(dir)
    try {
      expect(loadConfig('configs/quickstart.yaml').config.name).toBe('quickstart')
      expect(() => loadConfig('configs/../package.json')).toThrow('no such config file')
    } finally {
      process.chdir(here)
    }
  })

  test('a file that is not there', () => expect(() => loadConfig(join(dir, 'no.yaml'))).toThrow('no such config file'))
  test('a folder', () => expect(() => loadConfig(dir)).toThrow('a config is a YAML file, this is a folder'))
})

test('an unknown method is answered with the nearest one', () => {
  expect(() => findMethod('rmoe')).toThrow("unknown method 'rmoe', did you mean 'rome'?")
})

describe('the configs that come with the project', () => {
  const configs = join(packageRoot(), 'configs')

  test.each(readdirSync(configs).filter((f) => f.endsWith('.yaml')))('%s is valid', (file) => {
    expect(() => loadConfig(join(configs, file))).not.toThrow()
  })

  test('schema.json is up to date (npm run schema)', () => {
    expect(JSON.parse(readFileSync(join(configs, 'schema.json'), 'utf8'))).toEqual(configJsonSchema())
  })
})
