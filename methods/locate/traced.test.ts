import { counterfact } from '../../datasets/counterfact'
import type { EditCase } from '../../datasets/types'
import { type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { alphaedit } from '../alphaedit'
import { contextOf } from '../context'
import { emmetHyperparameters } from '../emmet'
import { memit, memitHyperparameters } from '../memit'
import { rome } from '../rome'
import { romeHyperparameters } from '../rome/hyperparameters'
import { mustLearn, type TrainingContext } from '../types'
import { learnt } from './learnt'
import { anchorOf, learnAnchor } from './norm-anchor'
import { SecondMoment } from './second-moment'
import { tracedLayer, traceLayer } from './traced'

let model: LanguageModel
const cases: EditCase[] = []
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
  for await (const c of counterfact.load(undefined, { onBadRecord: 'fail', seed: 0, split: 'train', limit: 4 }))
    cases.push(c)
})
afterAll(() => model.dispose())

async function* all(some: readonly EditCase[]) {
  yield* some
}
const context = (steps: number[] = []): TrainingContext => ({
  ...contextOf(),
  onProgress: ({ step }) => void steps.push(step),
  checkpoint: () => undefined,
  saveCheckpoint: () => {}
})

test('the block that tracing suggests is the one that is edited, and what it rests on is stored', async () => {
  const steps: number[] = []
  const artifact = await traceLayer(model, all(cases), context(steps))
  const layer = tracedLayer(artifact)
  const { effects, facts } = artifact.json as { effects: { layer: number; mean: number }[]; facts: number }
  expect(facts).toBe(4)
  expect(effects.map((e) => e.layer)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(effects[layer]!.mean).toBe(Math.max(...effects.map((e) => e.mean)))
  expect(steps).toEqual([1])
  const h = romeHyperparameters.parse({
    layer: 'traced',
    mom2_adjustment: false,
    context_templates: ['{}'],
    v_num_grad_steps: 2
  })
  const prepared = await rome.prepare!(model, h, contextOf(), artifact)
  for await (const [edit] of rome.edit(model, [[cases[0]!.requests[0]]], h, contextOf(), prepared))
    expect(edit!.parts[0]!.site).toBe(`layers.${layer}.mlp.proj`)
})

test('methods of several blocks edit those around it, and learn the norm of values there with it', async () => {
  const h = memitHyperparameters.parse({
    ...{ layers: 'traced', norm_anchor: true, context_templates: ['{}'], v_num_grad_steps: 2 }
  })
  const artifact = await memit.train!(model, all(cases), h, context())
  const layer = tracedLayer(artifact)
  const { layers, anchor } = learnt(model.config, h, artifact)
  // Two of eight blocks.
  expect(layers).toEqual(layer === 0 ? [0, 1] : [layer - 1, layer])
  expect(anchor).toBe(anchorOf(await learnAnchor(model, all(cases), { ...h, layers }, context())))
  expect(learnt(model.config, emmetHyperparameters.parse({ layers: 'traced' }), artifact, 1)).toEqual({
    layers: [layer]
  })
  // At the ends of the model they stay within it.
  const at = (l: number, count: number) =>
    learnt(model.config, { ...h, norm_anchor: false }, { tensors: {}, json: { layer: l } }, count).layers
  expect([at(0, 3), at(7, 3), at(4, 3)]).toEqual([
    [0, 1, 2],
    [5, 6, 7],
    [3, 4, 5]
  ])
  expect(learnt(model.config, { ...h, layers: [1, 3], norm_anchor: false }, undefined)).toEqual({ layers: [1, 3] })

  const n = model.config.ffDim
  const identity = new SecondMoment(
    Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
    n
  )
  const prepared = { contexts: ['{}'], moments: layers.map(() => identity), layers }
  for await (const [edit] of memit.edit(model, [[cases[0]!.requests[0]]], h, contextOf(), prepared))
    expect(edit!.parts.map((p) => p.site)).toEqual(layers.map((l) => `layers.${l}.mlp.proj`))
})

test('only then there is something to learn', () => {
  expect(mustLearn(rome, { layer: 'traced' })).toBe(true)
  expect(mustLearn(rome, { layer: 2 })).toBe(false)
  expect(romeHyperparameters.safeParse({ layer: 'trace' }).success).toBe(false)
  for (const method of [memit, alphaedit]) {
    expect(mustLearn(method, { layers: 'traced' })).toBe(true)
    expect(mustLearn(method, { layers: [1], norm_anchor: true })).toBe(true)
    expect(mustLearn(method, { layers: [1] })).toBe(false)
  }
  expect(memitHyperparameters.safeParse({ layers: 'trace' }).success).toBe(false)
})

test('facts that the model does not know suggest nothing', async () => {
  const told = cases.map((c) => ({ ...c, requests: [{ ...c.requests[0], previousTarget: 'zebra' }] as const }))
  await expect(traceLayer(model, all(told), context())).rejects.toThrow('knows none of the 4 facts')
})
