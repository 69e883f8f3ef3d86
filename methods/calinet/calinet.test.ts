import { join } from 'node:path'
import { edited } from '../../harness/edit'
import type { NeuronsPart } from '../../harness/edit/kinds/neurons'
import { type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { editAll } from '../context'
import { lessonsOf } from '../last-mlp/lessons'
import { calinet, calinetHyperparameters, trainSlots } from '.'
import expected from './golden/expected.json'

/** Compared with the official side network on the same checkpoint (golden/make.py). */

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
})
afterAll(() => model.dispose())

const requests = expected.facts.map(({ prompt, target }) => ({ prompt, subject: '', target: target.trim() }))

test.each(expected.cases.map((c) => [c.facts.length, c.ex_size, c] as const))(
  'golden: %p facts, %p slots: every loss and the slots are those of the official code',
  (_, __, c) => {
    const lessons = lessonsOf(
      model,
      c.facts.map((i) => requests[i]!)
    )
    const [keys, values] = c.start.map((x) => Float32Array.from(x)) as [Float32Array, Float32Array]
    const rules = { activation: 'relu', learning_rate: c.lr, max_steps: c.steps, stop_loss: 0 } as const
    const losses = trainSlots(model, lessons, { keys, values }, rules)
    expect(losses).toHaveLength(c.steps)
    for (const [i, loss] of c.losses.entries()) expect(losses[i]! / loss).toBeCloseTo(1, 3)
    const error = (a: Float32Array, b: readonly number[]) => norm(a.map((x, i) => x - b[i]!)) / norm(b)
    expect(error(keys, c.keys)).toBeLessThan(5e-3)
    expect(error(values, c.values)).toBeLessThan(5e-3)
  }
)

describe('an edit', () => {
  const h = calinetHyperparameters.parse({ ex_size: 16, learning_rate: 0.003, max_steps: 1000, stop_loss: 1 })
  const says = (asked: LanguageModel, prompt: string) => {
    const [ids] = asked.generate([{ prompt }], { maxNewTokens: 8, pastEnd: true })
    return asked.tokenizer.decode(ids!).trim()
  }

  test('holds several facts, and the loss of its training is that of the edited model', async () => {
    const [edit] = await editAll(calinet, model, [requests], h)
    const under = edited(model, edit!)
    for (const { prompt, target } of requests) expect(says(under, prompt).startsWith(target)).toBe(true)
    expect((edit!.parts[0] as NeuronsPart).neurons).toBe(16)
    expect(edit!.diagnostics.lossCurve!.length).toBeLessThan(1000)
    expect(edit!.diagnostics.values!.loss).toBeLessThan(1)
  })

  test('on top of another is one net of both', async () => {
    const [first] = await editAll(calinet, model, [[requests[0]!]], h)
    const under = edited(model, first!)
    const [second] = await editAll(calinet, under, [[requests[1]!]], h)
    const both = edited(under, second!)
    expect(says(both, requests[1]!.prompt).startsWith(requests[1]!.target)).toBe(true)
  })
})
