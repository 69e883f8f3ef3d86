import type { EditCase } from '../../datasets/types'
import { edited, type PrefixPart } from '../../harness/edit'
import { encodePrompt, type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { contextOf } from '../context'
import type { Artifact } from '../types'
import { ike } from '.'
import { nearest } from './similarity'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

const caseOf = (subject: string, target: string): EditCase => ({
  id: subject,
  place: '',
  requests: [{ prompt: `The ${subject} eats`, subject, target }],
  probes: [
    { property: 'generality', kind: 'paraphrase', prompt: `What does the ${subject} eat?`, expected: [target] },
    {
      property: 'locality',
      kind: 'neighbourhood',
      prompt: `The other ${subject} eats`,
      expected: 'same-as-before',
      gold: 'seeds'
    }
  ]
})
const CASES = [caseOf('zebra', 'fish'), caseOf('lion', 'grass'), caseOf('otter', 'seeds')]

async function train(): Promise<Artifact> {
  async function* cases() {
    yield* CASES
  }
  return ike.train!(model, cases(), ike.hyperparameters.parse({}), {
    ...contextOf(),
    onProgress: () => {},
    checkpoint: () => undefined,
    saveCheckpoint: () => {}
  })
}

async function textOf(h: object): Promise<string> {
  const hyperparameters = ike.hyperparameters.parse(h)
  const prepared = await ike.prepare!(model, hyperparameters, contextOf(), await train())
  const groups = [CASES[0]!.requests]
  for await (const [edit] of ike.edit(model, groups, hyperparameters, contextOf(), prepared)) {
    return (edit!.parts[0] as PrefixPart).text
  }
  throw new Error('no edit')
}

test('every training edit is demonstrated by copying, updating and retaining, as in the official code', async () => {
  const { json, tensors } = await train()
  const { demonstrations } = json as { demonstrations: { fact: string; text: string }[] }
  expect(demonstrations.slice(0, 3)).toEqual([
    { fact: 'The zebra eats fish', text: 'New Fact: The zebra eats fish\nPrompt: The zebra eats fish\n\n' },
    { fact: 'The zebra eats fish', text: 'New Fact: The zebra eats fish\nPrompt: What does the zebra eat? fish\n\n' },
    { fact: 'The zebra eats fish', text: 'New Fact: The zebra eats fish\nPrompt: The other zebra eats seeds\n\n' }
  ])
  const { shape, data } = tensors.embeddings!
  expect(shape).toEqual([9, model.config.dim])
  const row = data.subarray(0, model.config.dim)
  expect(Math.hypot(...row)).toBeCloseTo(1, 5)
})

test('the context is the nearest demonstrations of other facts, then the fact, then the question', async () => {
  const text = await textOf({ k: 2, room: 8 })
  expect(text.endsWith('New Fact: The zebra eats fish\nPrompt: ')).toBe(true)
  expect(text.match(/New Fact/g)).toHaveLength(3)
  expect(text.slice(0, text.lastIndexOf('New Fact'))).not.toContain('zebra')
  expect(await textOf({ k: 0 })).toBe('New Fact: The zebra eats fish\nPrompt: ')
  const edit = { method: 'ike', requests: [], parts: [{ kind: 'prefix' as const, text }], diagnostics: {} }
  const prompt = 'The zebra eats'
  expect(edited(model, edit).generate([{ prompt }], { maxNewTokens: 3 })).toEqual(
    model.generate([{ prompt: text + prompt }], { maxNewTokens: 3 })
  )
})

test('what leaves no room for a question is left out, the least similar first', async () => {
  const whole = await textOf({ k: 6, room: 1 })
  const length = encodePrompt(model.tokenizer, whole).length
  const room = model.config.maxPositions - length + 1
  const cut = await textOf({ k: 6, room })
  expect(whole.match(/New Fact/g)!.length - cut.match(/New Fact/g)!.length).toBe(1)
  expect(whole.startsWith(cut.slice(0, cut.lastIndexOf('New Fact')))).toBe(true)
})

test('similarity orders, with ties in their order, and leaves out what is not accepted', () => {
  const embeddings = Float32Array.of(1, 0, 0, 1, 0.6, 0.8, 1, 0)
  expect(nearest(Float32Array.of(1, 0), embeddings, 3, () => true)).toEqual([0, 3, 2])
  expect(nearest(Float32Array.of(1, 0), embeddings, 3, (i) => i !== 0)).toEqual([3, 2, 1])
})
