import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { type DensePart, edited, scoreEdited } from '../../harness/edit'
import { encodeTarget, type LanguageModel, openModel } from '../../harness/model'
import { matmulFlops, useBackend } from '../../harness/tensor'
import { dot, norm } from '../../harness/tensor/linalg'
import { editAll } from '../context'
import { ft } from '../ft'
import { ftL } from '../ft-l'
import { ftM } from '../ft-m'
import expected from './golden/expected.json'

/** Compared with the official FT baseline of ROME on the same checkpoint (golden/make.py). */

let model: LanguageModel

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
})
afterAll(() => model.dispose())

type Case = (typeof expected.cases)[number]
const request = (c: Case) => ({ prompt: c.prompt.replace('{}', c.subject), subject: c.subject, target: c.target })
const parse = ({ layer, lr, norm_constraint, num_steps }: Case) =>
  ftL.hyperparameters.parse({ layers: [layer], lr, norm_constraint, num_steps })

test.each(expected.cases.map((c, i) => [i, c.subject, c] as const))(
  'golden %i (%s): loss curve and weight change are those of the official code',
  async (_, __, c) => {
    const [edit] = await editAll(ftL, model, [[request(c)]], parse(c))
    const curve = edit!.diagnostics.lossCurve!
    expect(curve).toHaveLength(c.losses.length)
    for (const [step, loss] of c.losses.entries())
      expect(Math.abs(curve[step]! - loss)).toBeLessThan(1e-2 * loss + 1e-4)
    const part = edit!.parts[0] as DensePart
    expect(part.site).toBe(`layers.${c.layer}.mlp.proj`)
    expect(Math.abs(norm(part.delta) / c.norm - 1)).toBeLessThan(1e-2)
    for (const [got, wanted] of [
      [expected.shown.map((i) => part.delta[i]!), c.shown],
      [[...part.bias!], c.bias]
    ] as const) {
      expect(dot(got, wanted) / (norm(got) * norm(wanted))).toBeGreaterThan(0.999)
      expect(norm(got.map((x, i) => x - wanted[i]!)) / norm(wanted)).toBeLessThan(1e-2)
    }
  }
)

test.each(expected.several.map((c) => [c.layers.join(), c.batch_size, c] as const))(
  'golden of three facts in one edit of layers %s, %i a step: losses and changes are those of the official code',
  async (_, __, c) => {
    const { layers, lr, norm_constraint, num_steps, batch_size } = c
    const h = ft.hyperparameters.parse({ layers, lr, norm_constraint, num_steps, batch_size })
    const facts = c.facts.map(({ prompt, subject, target }) => ({
      prompt: prompt.replace('{}', subject),
      subject,
      target
    }))
    const before = matmulFlops()
    const [edit] = await editAll(ft, model, [facts], h)
    const curve = edit!.diagnostics.lossCurve!
    expect(curve).toHaveLength(c.losses.length)
    for (const [step, loss] of c.losses.entries()) expect(Math.abs(curve[step]! - loss)).toBeLessThan(1e-2 * loss)
    expect(edit!.parts.map((p) => p.site)).toEqual(layers.map((n) => `layers.${n}.mlp.proj`))
    for (const [i, part] of edit!.parts.entries()) {
      const { delta } = part as DensePart
      expect(Math.abs(norm(delta) / c.norms[i]! - 1)).toBeLessThan(1e-2)
      const got = expected.shown.map((at) => delta[at]!)
      expect(dot(got, c.shown[i]!) / (norm(got) * norm(c.shown[i]!))).toBeGreaterThan(0.999)
    }
    // Rows are padded, which is not counted.
    expect(edit!.diagnostics.flops! / (matmulFlops() - before)).toBeGreaterThan(0.6)
    expect(edit!.diagnostics.flops! / (matmulFlops() - before)).toBeLessThanOrEqual(1)
  }
)

test('the three baselines are one training with other defaults', () => {
  const of = ({ hyperparameters }: typeof ft) => {
    const { objective, norm_constraint } = hyperparameters.parse({ layers: [0] })
    return [objective, norm_constraint]
  }
  expect([of(ft), of(ftL), of(ftM)]).toEqual([
    ['prompt_last', false],
    ['prompt_last', 5e-4],
    ['target_new', false]
  ])
  const h = ft.hyperparameters.parse({ layers: [0, 9] })
  expect(() => ft.check!(model.config, h)).toThrow('no block 9')
})

test('training under an edit begins with the weights as they are edited', async () => {
  const fact = request(expected.cases[0]!)
  const h = ftM.hyperparameters.parse({ layers: [1], lr: 1e-2, num_steps: 5 })
  const [first] = await editAll(ftM, model, [[fact]], h)
  const under = edited(model, first!)
  const next = request(expected.cases[1]!)
  const [second] = await editAll(ftM, under, [[next]], h)
  const target = encodeTarget(model.tokenizer, next.target)
  const nll = (asked: LanguageModel) => {
    const [score] = asked.score([{ prompt: next.prompt, target }])
    return score!.nll.reduce((a, b) => a + b, 0) / target.length
  }
  expect(second!.diagnostics.lossCurve![0]).toBeCloseTo(nll(under), 4)
  expect(Math.abs(nll(under) - nll(model))).toBeGreaterThan(1e-3)
  expect(nll(edited(under, second!))).toBeLessThan(nll(under))
  under.dispose()
})

test('no weight leaves the box', async () => {
  const h = ftL.hyperparameters.parse({ layers: [0], lr: 0.1, norm_constraint: 1e-3 })
  const [edit] = await editAll(ftL, model, [[request(expected.cases[0]!)]], h)
  const part = edit!.parts[0] as DensePart
  expect(Math.max(...part.delta.map(Math.abs))).toBeLessThan(1e-3 + 1e-6)
  expect(Math.max(...part.delta.map(Math.abs))).toBeGreaterThan(0.9e-3)
})

test('the objective target_new teaches the target token after token, prompt_last all of them at once', async () => {
  const fact = request(expected.cases[2]!)
  const learnt = async (objective: 'prompt_last' | 'target_new') => {
    const h = ftL.hyperparameters.parse({ layers: [1], lr: 2e-2, norm_constraint: false, num_steps: 60, objective })
    const [edit] = await editAll(ftL, model, [[fact]], h)
    const target = encodeTarget(model.tokenizer, fact.target)
    const [score] = edited(model, edit!).score([{ prompt: fact.prompt, target }])
    return JSON.stringify(score!.argmax) === JSON.stringify(target)
  }
  expect(await learnt('target_new')).toBe(true)
  expect(await learnt('prompt_last')).toBe(false)
})

test('several facts share one edit', async () => {
  const facts = expected.cases.slice(0, 2).map(request)
  const h = ftL.hyperparameters.parse({
    layers: [1],
    lr: 2e-2,
    norm_constraint: false,
    num_steps: 60,
    objective: 'target_new'
  })
  const edits = await editAll(ftL, model, [facts], h)
  expect(edits).toHaveLength(1)
  const items = facts.map((f) => ({
    prompt: f.prompt,
    target: encodeTarget(model.tokenizer, f.target),
    edit: edits[0]!
  }))
  for (const [i, score] of scoreEdited(model, items).entries()) expect(score.argmax).toEqual(items[i]!.target)
})

test('an edit leaves no tensor behind, and the weights as they were', async () => {
  const edit = () => editAll(ftL, model, [[request(expected.cases[0]!)]], parse(expected.cases[0]!))
  const hash = model.weightsHash()
  await edit()
  const memory = () => {
    const { numTensors, numDataBuffers, liveBytes } = tf.memory() as tf.MemoryInfo & { liveBytes: number }
    return { numTensors, numDataBuffers, liveBytes }
  }
  const before = memory()
  await edit()
  expect(memory()).toEqual(before)
  expect(model.weightsHash()).toBe(hash)
})

test('the FLOPs of an edit are those that were spent, known on every backend', async () => {
  const before = matmulFlops()
  const [edit] = await editAll(ftL, model, [[request(expected.cases[0]!)]], parse(expected.cases[0]!))
  expect(edit!.diagnostics.flops! / (matmulFlops() - before)).toBeCloseTo(1, 6)
  await useBackend('cpu')
  const other = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
  try {
    const h = { ...parse(expected.cases[0]!), num_steps: edit!.diagnostics.lossCurve!.length }
    const [same] = await editAll(ftL, other, [[request(expected.cases[0]!)]], h)
    expect(same!.diagnostics.flops).toBe(edit!.diagnostics.flops)
  } finally {
    other.dispose()
    await useBackend('onnxruntime', { threads: 1 })
  }
})
