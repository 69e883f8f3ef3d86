import { join } from 'node:path'
import type { EditCase } from '../../datasets/types'
import { type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { contextOf } from '../context'
import { memit, memitHyperparameters } from '../memit'
import { mustLearn, type TrainingContext } from '../types'
import { anchored, anchorOf, learnAnchor, trimmedMean } from './norm-anchor'
import { SecondMoment } from './second-moment'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
})
afterAll(() => model.dispose())

const [before, delta, value] = [Float32Array.of(3, 0, 1), Float32Array.of(0, 2, 0), Float32Array.of(1, 0, 0)]
const target = (anchor: number) => {
  const values: Record<string, number> = {}
  const z = anchored(anchor)({ before, delta, mlp: value, losses: [], nll: 0, kl: 0 }, values)
  return { z, values }
}
/** The MLP's part of a target: all else stays. */
const part = (z: Float32Array) => z.map((x, i) => x - before[i]! + value[i]!)

test('a value gets the norm of the anchor, a short one too; the rest of the stream stays', () => {
  const long = Math.sqrt(5)
  for (const anchor of [2, 4]) {
    const { z, values } = target(anchor)
    expect(norm(part(z))).toBeCloseTo(anchor, 5)
    expect([...part(z)].map((x) => x / anchor)).toEqual([1 / long, 2 / long, 0].map((x) => expect.closeTo(x, 5)))
    expect(values).toMatchObject({ refused: 0, anchor, valueNorm: expect.closeTo(long, 5) })
  }
})

test('with its own norm it is what it was; a value of more than twice the anchor is refused', () => {
  expect([...target(Math.sqrt(5)).z]).toEqual([3, 2, 1].map((x) => expect.closeTo(x, 5)))
  const { z, values } = target(1)
  expect(z).toEqual(before)
  expect(values.refused).toBe(1)
})

test('the longest twentieth is left out of the anchor', () => {
  const norms = Array.from({ length: 1000 }, (_, i) => 1000 - i)
  expect(trimmedMean(norms)).toBeCloseTo(475.5, 9)
  expect(trimmedMean([1, 3])).toBe(2)
})

test('it is learnt from facts of the training data, and MEMIT writes with it', async () => {
  const requests = ['Paris', 'Rome', 'The zebra'].map((subject) => ({
    prompt: `The cat of ${subject} is`,
    subject,
    target: 'white'
  }))
  async function* cases(): AsyncGenerator<EditCase> {
    for (const [i, request] of requests.entries()) yield { id: String(i), place: '', requests: [request], probes: [] }
  }
  const h = memitHyperparameters.parse({
    layers: [1, 2],
    v_num_grad_steps: 4,
    norm_anchor: true,
    context_templates: ['{}']
  })
  const context: TrainingContext = {
    ...contextOf(),
    onProgress: () => {},
    checkpoint: () => undefined,
    saveCheckpoint: () => {}
  }
  const layers = [1, 2]
  const anchor = anchorOf(await learnAnchor(model, cases(), { ...h, layers }, context))
  expect(anchor).toBeGreaterThan(0)
  const n = model.config.ffDim
  const identity = new SecondMoment(
    Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0)),
    n
  )
  const prepared = { contexts: ['{}'], moments: [identity, identity], layers }
  const run = async (found: { anchor?: number }) => {
    for await (const [edit] of memit.edit(model, [[requests[0]!]], h, contextOf(), { ...prepared, ...found }))
      return edit!
    throw new Error('no edit')
  }
  const [plain, scaled] = [await run({}), await run({ anchor })]
  expect(scaled.diagnostics.values).toMatchObject({ anchor, refused: 0 })
  expect(plain.diagnostics.values!.anchor).toBeUndefined()
  expect(scaled.parts).not.toEqual(plain.parts)
  expect(mustLearn(memit, { norm_anchor: true })).toBe(true)
  expect(mustLearn(memit, {})).toBe(false)
})
