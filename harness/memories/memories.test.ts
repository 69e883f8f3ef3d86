import * as tf from '@tensorflow/tfjs-core'
import { corpusText, generateWorld } from '../../datasets/world'
import { encodePrompt, type LanguageModel, openModel, padBatch } from '../model'
import { useBackend } from '../tensor'
import { agreements, promotedBy, triggers } from './memories'

let model: LanguageModel
const documents = [...corpusText(generateWorld({ seed: 0 }))].slice(0, 40)
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

/** A neuron's coefficients over a text, one token at a time. */
function coefficients(text: string, layer: number, neuron: number): number[] {
  const site = `layers.${layer}.mlp.proj:in`
  return tf.tidy(() => {
    const { captured } = model.forward(padBatch([encodePrompt(model.tokenizer, text)]), {
      to: layer + 1,
      capture: [site]
    })
    return (captured[site]!.arraySync() as number[][][])[0]!.map((row) => row[neuron]!)
  }) as unknown as number[]
}

it('the triggers of a neuron are the prefixes where its coefficient is largest', () => {
  const [layer, neuron] = [3, 17]
  const found = triggers(model, layer, neuron, documents, { tokens: 1e6, count: 5 })
  const all = documents.flatMap((text) => coefficients(text, layer, neuron).slice(0, -1)).sort((a, b) => b - a)
  expect(found).toHaveLength(5)
  for (const [i, { coefficient }] of found.entries()) expect(coefficient).toBeCloseTo(all[i]!, 4)
  const [{ prefix, next, coefficient }] = found as [(typeof found)[number]]
  expect(coefficients(prefix, layer, neuron).at(-1)).toBeCloseTo(coefficient, 4)
  expect(documents.some((d) => d.startsWith(prefix + next))).toBe(true)
  // Only so much of the corpus is read.
  const few = triggers(model, layer, neuron, documents, { tokens: 1, count: 500 })
  expect(few).toHaveLength(encodePrompt(model.tokenizer, documents[0]!).length - 1)
})

it('what a value promotes is what its product with the output embeddings says', () => {
  const [layer, neuron] = [5, 3]
  const { most, least } = promotedBy(model, layer, neuron, 4)
  const weight = model.weight(`layers.${layer}.mlp.proj.weight`).arraySync() as number[][]
  const head = model.weight(model.config.tiedHead ? 'embed.weight' : 'head.weight').arraySync() as number[][]
  const logits = head.map((row) => row.reduce((sum, x, i) => sum + x * weight[i]![neuron]!, 0))
  const sorted = [...logits].sort((a, b) => b - a)
  for (const [i, { logit }] of most.entries()) expect(logit).toBeCloseTo(sorted[i]!, 4)
  expect(least[0]!.logit).toBeCloseTo(sorted.at(-1)!, 4)
  expect(most[0]!.token).toBe(model.tokenizer.decode([logits.indexOf(sorted[0]!)]))
})

it('keys and values agree where the strongest trigger goes on with what is promoted most', () => {
  const found = agreements(model, documents, 1e6)
  expect(found.map((a) => a.layer)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  const layer = 7
  let agree = 0
  const [neurons] = [12]
  for (let neuron = 0; neuron < neurons; neuron++) {
    const [trigger] = triggers(model, layer, neuron, documents, { tokens: 1e6, count: 1 })
    agree += Number(promotedBy(model, layer, neuron, 1).most[0]!.token === trigger!.next)
  }
  expect(found[layer]!.agree).toBeGreaterThanOrEqual(agree)
  expect(found[layer]!.agree).toBeLessThanOrEqual(agree + model.config.ffDim - neurons)
})
