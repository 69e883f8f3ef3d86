import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { METHODS } from '../../methods'
import type { ModelConfig } from '../model'
import { packageRoot } from '../package-root'
import { publishedValues } from './published'

const DIR = join(packageRoot(), 'configs', 'methods')
const files = readdirSync(DIR).flatMap((method) =>
  readdirSync(join(DIR, method)).map((name) => [method, name] as const)
)

it.each(files)('%s/%s holds values that the method accepts, with their source', (method, name) => {
  const found = METHODS.find((m) => m.name === method)!
  const { model: shape, source } = parse(readFileSync(join(DIR, method, name), 'utf8'))
  const model = { ...shape, ffDim: shape.ff_dim ?? 4 * shape.dim } as ModelConfig
  const values = publishedValues(method, model)!
  expect(values).toMatchObject({ source, file: `configs/methods/${method}/${name}` })
  const h = found.hyperparameters.parse(values.hyperparameters)
  expect(() => found.check?.(model, h)).not.toThrow()
})

it('knows nothing of models and methods without a file', () => {
  const model = { architecture: 'gptj', layers: 28, dim: 4096 } as ModelConfig
  expect(publishedValues('rome', model)?.hyperparameters).toEqual({ layer: 5 })
  expect(publishedValues('rome', { ...model, layers: 27 })).toBeUndefined()
  expect(publishedValues('no-such-method', model)).toBeUndefined()
})

it('tells models apart whose MLPs alone differ', () => {
  const llama2 = { architecture: 'llama', layers: 32, dim: 4096, ffDim: 11008 } as ModelConfig
  expect(publishedValues('memit', llama2)?.file).toBe('configs/methods/memit/llama-7b.yaml')
  expect(publishedValues('memit', { ...llama2, ffDim: 14336 })).toBeUndefined()
  expect(publishedValues('alphaedit', { ...llama2, ffDim: 14336 })?.file).toContain('llama3-8b')
})
