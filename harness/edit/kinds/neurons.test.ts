import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { type LanguageModel, openModel, padBatch } from '../../model'
import { useBackend } from '../../tensor'
import { edited } from '../edited'
import { type NeuronsPart, neurons } from './neurons'

const GOLDEN = join(__dirname, '../../model/golden')
const NAMES = readdirSync(GOLDEN, { withFileTypes: true }).flatMap((f) => (f.isDirectory() ? [f.name] : []))
const SITE = 'layers.1.mlp'

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

function partOf({ config: { dim } }: LanguageModel, change: Partial<NeuronsPart> = {}): NeuronsPart {
  const values = (n: number, k: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * k + 1))
  const arrays = { keys: values(3 * dim, 0.7), biases: values(3, 1.1), values: values(3 * dim, 0.3) }
  return { kind: 'neurons', site: SITE, neurons: 3, dim, activation: 'relu', ...arrays, ...change }
}
const under = (model: LanguageModel, part: NeuronsPart) =>
  edited(model, { method: 'test', requests: [], parts: [part], diagnostics: {} })

test.each(NAMES)('on %s neurons add to what the MLP gives what their keys let through', async (name) => {
  const model = await openModel(join(GOLDEN, name))
  const part = partOf(model)
  const batch = padBatch([[1, 2, 3]])
  const { dim } = model.config
  const capture = [`${SITE}:in`, SITE]
  const read = (asked: LanguageModel) =>
    tf.tidy(() => {
      const { captured } = asked.forward(batch, { to: 2, capture })
      return capture.map((site) => [...captured[site]!.dataSync()])
    }) as unknown as [number[], number[]]
  const [x, y] = read(model)
  const [, changed] = read(under(model, part))
  for (let t = 0; t < 3; t++) {
    const active = [0, 1, 2].map((n) => {
      let sum = part.biases[n]!
      for (let j = 0; j < dim; j++) sum += part.keys[n * dim + j]! * x[t * dim + j]!
      return Math.max(0, sum)
    })
    for (let j = 0; j < dim; j++) {
      const added = active.reduce((sum, a, n) => sum + a * part.values[n * dim + j]!, 0)
      expect(changed[t * dim + j]! - y[t * dim + j]!).toBeCloseTo(added, 3)
    }
  }
  model.dispose()
})

test('what fits no MLP of the model is refused', async () => {
  const model = await openModel(join(GOLDEN, 'gptj'))
  const refused = (change: Partial<NeuronsPart>) => expect(() => under(model, partOf(model, change)))
  refused({ site: 'layers.9.mlp' }).toThrow('is at no MLP of this model')
  refused({ site: 'layers.1.mlp.proj' }).toThrow('is at no MLP of this model')
  refused({ dim: 3 }).toThrow("is for a model of width 3, this one's is 32")
  refused({ biases: new Float32Array(1) }).toThrow('has other numbers than 3 neurons want')
  model.dispose()
})

test('neurons of several parts are those of one, where they act alike', async () => {
  const model = await openModel(join(GOLDEN, 'gptj'))
  const other = partOf(model, {
    biases: Float32Array.of(0.2, -0.1, 0.4),
    values: partOf(model).values.map((x) => -2 * x)
  })
  const merged = neurons.merge!([partOf(model), other])!
  expect([merged.neurons, merged.biases.length, merged.keys.length]).toEqual([6, 6, 6 * model.config.dim])
  const batch = padBatch([[1, 2, 3]])
  const read = (asked: LanguageModel) =>
    tf.tidy(() => asked.forward(batch, { to: 2, capture: [SITE] }).captured[SITE]!.dataSync())
  const added = (part: NeuronsPart) => {
    const before = read(model)
    return read(under(model, part)).map((x, i) => x - before[i]!)
  }
  const [first, second, both] = [partOf(model), other, merged].map(added)
  for (const [i, x] of both!.entries()) expect(x).toBeCloseTo(first![i]! + second![i]!, 3)
  expect(neurons.merge!([partOf(model), partOf(model, { activation: 'silu' })])).toBeUndefined()
  model.dispose()
})
