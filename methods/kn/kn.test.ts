import { join } from 'node:path'
import type { EditRequest, LowRankPart } from '../../harness/edit'
import { encodePrompt, type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { contextOf } from '../context'
import { kn, knHyperparameters } from '.'
import { attributions, type Unit } from './attribution'
import expected from './golden/expected.json'

/** Compared with EasyEdit's code on the same checkpoint (golden/make.py). */

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gpt2'))
})
afterAll(() => model.dispose())

type Case = (typeof expected.cases)[number]
const easyedit = (c: Case) =>
  knHyperparameters.parse({ points: 'ends', unit: c.unit, update: 'plain', adaptive_threshold: 0.2 })
const requestOf = ({ prompt, old, new: target }: Case): EditRequest => ({
  prompt,
  subject: prompt.split(' ')[0]!,
  target,
  previousTarget: old
})

async function run(
  requests: readonly EditRequest[],
  h = knHyperparameters.parse({}),
  templates: readonly string[] = ['{}']
) {
  const edits = []
  for await (const some of kn.edit(
    model,
    requests.map((r) => [r]),
    h,
    contextOf(),
    { templates }
  ))
    edits.push(...some)
  return edits
}

describe.each(expected.cases.map((c) => [c.unit, c.prompt, c] as const))('golden, %s, %s', (_unit, _prompt, c) => {
  test('attributions of every neuron are those of the official code', () => {
    const ids = encodePrompt(model.tokenizer, c.prompt)
    const [scores] = attributions(model, [{ ids, gold: c.old_ids[0]! }], {
      steps: 20,
      points: 'ends',
      unit: c.unit as Unit
    })
    expect(scores).toHaveLength(c.scores.length)
    expect(norm(scores!.map((x, i) => x - c.scores[i]!)) / norm(c.scores)).toBeLessThan(1e-3)
  })

  test('chosen neurons and the change of their values are those of the official code', async () => {
    const [edit] = await run([requestOf(c)], easyedit(c))
    const chosen = (edit!.parts as LowRankPart[]).flatMap(({ site, v }) => {
      const layer = Number(site.split('.')[1])
      return [...v.keys()].filter((j) => v[j] !== 0).map((j) => [layer, j])
    })
    expect(chosen).toEqual(c.neurons)
    let square = 0
    for (const { u, v } of edit!.parts as LowRankPart[]) square += norm(u) ** 2 * norm(v) ** 2
    expect(Math.sqrt(square) / c.norm).toBeCloseTo(1, 4)
    for (const [name, row] of Object.entries(c.rows)) {
      const [layer, j] = name.split(' ').map(Number) as [number, number]
      const part = (edit!.parts as LowRankPart[]).find((p) => p.site === `layers.${layer}.mlp.proj`)!
      expect(part.v[j]).toBe(1)
      expect(norm(part.u.map((x, i) => x - row[i]!)) / norm(row)).toBeLessThan(1e-4)
    }
  })
})

test('questions of unlike lengths, and many of them, have the attributions they have alone', () => {
  const questions = expected.cases.slice(0, 3).flatMap(({ prompt, old_ids }) => {
    const ids = encodePrompt(model.tokenizer, prompt)
    return [
      { ids, gold: old_ids[0]! },
      { ids: ids.slice(0, 1), gold: old_ids[0]! },
      { ids, gold: 7 }
    ]
  })
  const options = { steps: 300, points: 'left', unit: 'activation' } as const
  const together = attributions(model, questions, options)
  for (const [i, question] of questions.entries()) {
    const [alone] = attributions(model, [question], options)
    expect(norm(together[i]!.map((x, k) => x - alone![k]!)) / norm(alone!)).toBeLessThan(1e-5)
  }
})

test('the paper turns values by their own length, and keeps the neurons that ways of asking share', async () => {
  const [c] = expected.cases as [Case]
  const [edit] = await run([requestOf(c)])
  const { u, v, site } = edit!.parts[0] as LowRankPart
  const weight = model.weight(`${site}.weight`).dataSync() as Float32Array
  const { dim, ffDim } = model.config
  const j = [...v.keys()].find((k) => v[k] !== 0)!
  expect(v[j]).toBeCloseTo(norm(Float64Array.from({ length: dim }, (_, i) => weight[i * ffDim + j]!)), 5)
  // One part the old answer's direction, eight the new one's.
  expect(norm(u)).toBeGreaterThan(7 - 1e-3)
  expect(norm(u)).toBeLessThan(9 + 1e-3)
  const templates = ['{}', 'The cat sat on it. {}', '12 is black. {}']
  const neurons = async (p: number) => {
    const h = knHyperparameters.parse({ refine: true, p, context_templates: templates })
    const [refined] = await run([requestOf(c)], h, templates)
    return refined!.diagnostics.values!.neurons!
  }
  const [any, all] = [await neurons(0), await neurons(0.9)]
  expect(all).toBeLessThan(any)
  expect(all).toBeGreaterThan(0)
})

test('without an old answer it is what the model says', async () => {
  const [c] = expected.cases as [Case]
  const { previousTarget: _, ...request } = requestOf(c)
  const [said] = model.generate([{ prompt: c.prompt }], { maxNewTokens: 1 })
  const [edit] = await run([request])
  const [scores] = attributions(
    model,
    [{ ids: encodePrompt(model.tokenizer, c.prompt), gold: said![0]! }],
    knHyperparameters.parse({})
  )
  expect(edit!.diagnostics.values!.largest).toBeCloseTo(Math.max(...scores!), 8)
})
