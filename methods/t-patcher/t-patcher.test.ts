import { join } from 'node:path'
import { combined, type Edit, edited } from '../../harness/edit'
import type { NeuronsPart } from '../../harness/edit/kinds/neurons'
import { type LanguageModel, openModel } from '../../harness/model'
import { joined, useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { contextOf, editAll } from '../context'
import { lessonsOf } from '../last-mlp/lessons'
import type { Corpus } from '../types'
import { tPatcher, tPatcherHyperparameters } from '.'
import expected from './golden/expected.json'
import { activationLoss, largest, memoryLoss } from './losses'
import { memoryOf } from './memory'
import { trainPatches } from './train'

/** Compared with the official patches on the same checkpoint (golden/make.py). */

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
})
afterAll(() => model.dispose())

const corpusOf = (texts: readonly string[]): Corpus => ({ id: texts.join(), documents: () => texts })

type Case = (typeof expected.cases)[number]

/** All tokens of the texts but the first ones, for training and for stopping. */
function memory() {
  const all = memoryOf(model, 10_000, contextOf({ corpus: corpusOf(expected.texts) }))
  const train = joined([all.train, all.val])
  return { train, val: train }
}

async function trained(c: Case) {
  const [lesson] = lessonsOf(model, [{ prompt: c.prompt, subject: '', target: c.target.trim() }])
  const { dim } = model.config
  const wrong = lesson!.wrong.slice(0, 5)
  const keys = new Float32Array(wrong.length * dim)
  for (const [p, token] of wrong.entries()) {
    const query = lesson!.queries.subarray(token * dim, (token + 1) * dim)
    keys.set(
      query.map((x) => x / norm(query) ** 2),
      p * dim
    )
  }
  const patches = {
    keys,
    biases: new Float32Array(wrong.length),
    w: Float32Array.from(c.start),
    a: new Float32Array(keys.length).fill(10)
  }
  const rules = tPatcherHyperparameters.parse({
    act_margin_val: c.act_margin_val,
    margin_val1: c.margin_val1,
    margin_val2: c.margin_val2,
    alc: c.alc,
    mlc: c.mlc,
    lr: c.lr,
    weight_decay: c.weight_decay,
    example_repeat: c.repeat,
    max_edit_step: c.steps
  })
  const [found] = trainPatches(model, [{ ...lesson!, wrong }], [patches], memory(), rules)
  return { lesson: lesson!, wrong, patches, found: found! }
}

describe.each(expected.cases.map((c) => [c.prompt, c.lr, c] as const))('golden, %s, rate %p', (_prompt, _lr, c) => {
  test('the tokens that are wrong, every loss and the patches are those of the official code', async () => {
    const { lesson, wrong, patches, found } = await trained(c)
    expect([lesson.target, wrong]).toEqual([c.target_ids, c.wrong])
    for (const [i, [loss]] of c.losses.entries()) expect(found.losses[i]! / loss!).toBeCloseTo(1, 2)
    // At first all patches act alike: where copies leave room for one of them only, the last digit says which of five.
    const tied = wrong.length > 2 && c.repeat > 1
    const [tolerance, digits] = tied ? [3e-2, 1] : [2e-3, 3]
    const [, activation, held] = c.losses.at(-1)!
    expect(found.activation / activation!).toBeCloseTo(1, digits)
    expect(found.memory / held!).toBeCloseTo(1, digits)
    const error = (a: Float32Array, b: readonly number[]) => norm(a.map((x, i) => x - b[i]!)) / norm(b)
    expect(error(patches.keys, c.keys)).toBeLessThan(tolerance)
    expect(error(patches.biases, c.biases)).toBeLessThan(tolerance)
    expect(
      error(
        patches.w.map((x, i) => x * patches.a[i]!),
        c.values
      )
    ).toBeLessThan(tolerance)
  })
})

describe('losses', () => {
  test('of copies the largest count as often as they are there', () => {
    expect(largest([1, 5, 3], 5, 1)).toEqual([
      { index: 1, share: 1 / 3 },
      { index: 2, share: 1 / 3 },
      { index: 0, share: 1 / 3 }
    ])
    expect(largest([1, 5, 3], 5, 8)).toEqual([{ index: 1, share: 1 }])
    expect(largest([1, 5, 3, 4], 5, 2)).toEqual([
      { index: 1, share: 0.4 },
      { index: 3, share: 0.4 },
      { index: 2, share: 0.2 }
    ])
    const many = Array.from({ length: 500 }, (_, i) => (i * 193) % 499)
    const order = [...many.keys()].sort((a, b) => many[b]! - many[a]! || a - b)
    expect(largest(many, 40, 1).map((l) => many[l.index])).toEqual(order.slice(0, 40).map((i) => many[i]))
  })

  const rules = { act_margin_val: 1, margin_val1: 2, margin_val2: -1, example_repeat: 1 }
  const slopeOf = (f: (x: number) => number, x: number) => (f(x + 1e-4) - f(x - 1e-4)) / 2e-4

  test('their gradients are the slopes', () => {
    const acts = [0.3, -0.2]
    const active = activationLoss(acts, rules)
    for (const p of [0, 1]) {
      const at = (x: number) =>
        activationLoss(
          acts.map((a, i) => (i === p ? x : a)),
          rules
        ).loss
      expect(active.gradient[p]).toBeCloseTo(slopeOf(at, acts[p]!), 4)
    }
    const silent = Float32Array.of(0.1, -0.4, 0.2, 0.5, -0.6, 0)
    const held = memoryLoss(silent, acts, rules)
    for (const p of [0, 1]) {
      const at = (x: number) =>
        memoryLoss(
          silent,
          acts.map((a, i) => (i === p ? x : a)),
          rules
        ).loss
      expect(held.gradient[p]).toBeCloseTo(slopeOf(at, acts[p]!), 3)
    }
    for (let i = 0; i < 6; i++) {
      const pulled = held.pulls.filter((l) => l.patch * 3 + l.memory === i).reduce((sum, l) => sum + l.slope, 0)
      const at = (x: number) =>
        memoryLoss(
          silent.map((h, j) => (j === i ? x : h)),
          acts,
          rules
        ).loss
      expect(pulled / slopeOf(at, silent[i]!)).toBeCloseTo(1, 2)
    }
  })
})

describe('an edit', () => {
  const texts = Array.from(
    { length: 40 },
    (_, i) => `The zebra ${i} of Paris is black and white, and likes grass in ${i + 3}.`
  )
  const context = contextOf({ corpus: corpusOf(texts) })
  const h = tPatcherHyperparameters.parse({ memory_tokens: 300, activation: 'relu' })
  const request = { prompt: 'The cat of Rome is', subject: 'Rome', target: 'black zebra' }
  const other = { prompt: 'Paris is the capital of', subject: 'Paris', target: 'white' }
  const says = (asked: LanguageModel, { prompt }: typeof request) => {
    const [ids] = asked.generate([{ prompt }], { maxNewTokens: 8, pastEnd: true })
    return asked.tokenizer.decode(ids!).trim()
  }

  test('makes the model say its target, and stops before the last step once it does', async () => {
    const [edit] = await editAll(tPatcher, model, [[request]], h, context)
    expect(says(edited(model, edit!), request).startsWith('black zebra')).toBe(true)
    expect(edit!.diagnostics.values!.right).toBe(1)
    const steps = edit!.diagnostics.lossCurve!.length
    expect(steps).toBeGreaterThan(100)
    expect(steps).toBeLessThan(2000)
    expect(steps % 25).toBe(0)
  })

  test('whose target is not said goes on to the last step, and says so', async () => {
    const slow = { ...h, lr: 1e-9, max_edit_step: 250 }
    const [edit] = await editAll(tPatcher, model, [[request]], slow, context)
    expect([edit!.diagnostics.lossCurve!.length, edit!.diagnostics.values!.right]).toEqual([250, 0])
  })

  test('is the same in company', async () => {
    const [alone] = await editAll(tPatcher, model, [[other]], h, context)
    const [, beside] = await editAll(tPatcher, model, [[request], [other]], h, context)
    const [a, b] = [alone, beside].map((e) => e!.parts[0] as NeuronsPart) as [NeuronsPart, NeuronsPart]
    expect(norm(a.keys.map((x, i) => x - b.keys[i]!)) / norm(a.keys)).toBeLessThan(1e-2)
    expect(beside!.diagnostics.lossCurve!.length).toBe(alone!.diagnostics.lossCurve!.length)
  })

  test('of what the model says already has no patch, and changes nothing', async () => {
    const mini = await openModel('gptj-mini')
    const prompt = 'Dario Brosot comes from'
    const [ids] = mini.generate([{ prompt }], { maxNewTokens: 3 })
    const known = { prompt, subject: 'Dario Brosot', target: mini.tokenizer.decode(ids!).trim() }
    const [edit] = await editAll(tPatcher, mini, [[known]], h, context)
    expect([edit!.parts, edit!.diagnostics.values!.right]).toEqual([[], 1])
    mini.dispose()
  })

  test('on top of another keeps that one: its tokens are remembered', async () => {
    const goesOn = { ...context, goesOn: true as const }
    const [first] = await editAll(tPatcher, model, [[request]], h, goesOn)
    expect(first!.carry!.memory!.shape).toEqual([lessonsOf(model, [request])[0]!.target.length, model.config.dim])
    const [second] = await editAll(tPatcher, edited(model, first!), [[other]], h, {
      ...goesOn,
      before: first!
    } as never)
    const both: Edit = combined(first, second!)
    expect(says(edited(model, both), request).startsWith('black zebra')).toBe(true)
    expect(says(edited(model, both), other).startsWith('white')).toBe(true)
    expect(both.carry!.memory!.shape[0]).toBeGreaterThan(first!.carry!.memory!.shape[0]!)
  })

  test('wants other texts', async () => {
    await expect(editAll(tPatcher, model, [[request]], h)).rejects.toThrow('comes with none')
  })
})
