import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { type Edit, type EditRequest, edited } from '../../harness/edit'
import { type LanguageModel, openModel, readSafetensorsHeader, readTensor } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { answerRow } from '../answer-row'
import { contextOf } from '../context'
import type { EditContext } from '../types'
import { ultraedit, ultraeditHyperparameters } from '.'
import expected from './golden/expected.json'
import { RunningNormaliser } from './normaliser'

/** Compared with the official code on the same checkpoints (golden/make.py). */

beforeAll(() => useBackend('onnxruntime', { threads: 1 }))

const requestsOf = (facts: readonly number[]): EditRequest[] =>
  facts.map((i) => {
    const [prompt, target] = expected.facts[i] as [string, string]
    return { prompt, subject: prompt.split(' ')[0]!, target }
  })

const edit = async (
  model: LanguageModel,
  groups: readonly (readonly EditRequest[])[],
  sites: readonly string[],
  context: Partial<EditContext> = {}
): Promise<Edit[]> => {
  const { lr, batch_size } = expected
  const h = ultraeditHyperparameters.parse({ edit_modules: sites, lr, batch_size })
  const found: Edit[] = []
  for await (const some of ultraedit.edit(model, groups, h, { ...contextOf(), ...context }, undefined))
    found.push(...some)
  return found
}

function deltaOf({ parts }: Edit, site: string): Float32Array {
  const part = parts.find((p) => p.site === site)
  if (part?.kind === 'dense') return part.delta
  if (part?.kind !== 'low-rank') throw new Error(`no part at ${site}`)
  const { u, v, rank, out, in: width } = part
  return tf.tidy(
    () => tf.matMul(tf.tensor2d(u, [out, rank]), tf.tensor2d(v, [width, rank]), false, true).dataSync() as Float32Array
  )
}

const differs = (got: ArrayLike<number>, wanted: ArrayLike<number>): number =>
  norm(Float64Array.from(got, (x, i) => x - wanted[i]!)) / norm(wanted)

describe.each(expected.cases.map((c) => [c.model, c] as const))('on %s', (name, c) => {
  let model: LanguageModel
  beforeAll(async () => {
    model = await openModel(join(__dirname, '../../harness/model/golden', name))
  })
  afterAll(() => model.dispose())

  test('golden: two turns, one on top of the other', async () => {
    const { tensors } = readSafetensorsHeader(join(__dirname, 'golden/deltas.safetensors'))
    let [under, before]: [LanguageModel, Edit | undefined] = [model, undefined]
    for (const [t, facts] of expected.turns.entries()) {
      const turn = c.turns[t]!
      const ids = requestsOf(facts).map((r) => answerRow(model, r).ids)
      // Theirs are padded.
      const theirs = turn.ids.flat().map((row) => row.join(' '))
      for (const own of ids) expect(theirs.some((row) => row.startsWith(own.join(' ')))).toBe(true)
      const [found] = await edit(under, [requestsOf(facts)], c.sites, {
        goesOn: true,
        ...(before === undefined ? {} : { before })
      })
      for (const [i, site] of c.sites.entries()) {
        const wanted = readTensor(turn.deltas[i]!, tensors.get(turn.deltas[i]!)!)
        expect(differs(deltaOf(found!, site), wanted)).toBeLessThan(2e-3)
      }
      const { n, mean } = turn.normalisers[0]!
      const [carried] = Object.values(found!.carry!)
      const width = (carried!.data.length - 1) / 2
      expect(carried!.data[0]).toBe(n)
      expect(carried!.data.subarray(1, 1 + width).reduce((sum, x) => sum + Math.abs(x), 0)).toBeCloseTo(mean, 2)
      under = edited(under, found!)
      before = found
    }
    under.dispose()
  })

  test('groups know nothing of each other, and leave nothing behind', async () => {
    const groups = expected.turns.map(requestsOf)
    await edit(model, groups, c.sites)
    const tensors = tf.memory().numTensors
    const together = await edit(model, groups, c.sites)
    expect(tf.memory().numTensors).toBe(tensors)
    for (const [g, group] of groups.entries()) {
      const [alone] = await edit(model, [group], c.sites)
      expect(alone!.carry).toBeUndefined()
      for (const site of c.sites) expect(differs(deltaOf(together[g]!, site), deltaOf(alone!, site))).toBeLessThan(1e-4)
    }
  })
})

test('goes on from what is carried', () => {
  const rows = [
    [1, 5],
    [2, 3],
    [4, 4],
    [0, 8]
  ].map((r) => Float32Array.from(r))
  const whole = new RunningNormaliser(2)
  whole.add(rows.slice(0, 2))
  const resumed = RunningNormaliser.from(whole.carried())
  for (const n of [whole, resumed]) n.add(rows.slice(2))
  expect(resumed.carried()).toEqual(whole.carried())
  expect(whole.normalise(Float32Array.of(1.75, 5))).toEqual(Float64Array.of(0, 0))
})

test('refuses what it cannot do', async () => {
  const model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
  const one = [{ prompt: 'The cat is', subject: 'The cat', target: 'a' }]
  expect(answerRow(model, one[0]!).labels).toHaveLength(1)
  await expect(edit(model, [one], ['layers.1.mlp.proj'])).rejects.toThrow('a single answer token has no spread')
  await expect(edit(model, [one], ['layers.1.mlp.gate'])).rejects.toThrow('has no layers.1.mlp.gate')
  expect(() => ultraeditHyperparameters.parse({ edit_modules: ['layers.1.attn.q'] })).toThrow('linear map of an MLP')
  const h = ultraeditHyperparameters.parse({ edit_modules: ['layers.9.mlp.proj'] })
  expect(() => ultraedit.check!(model.config, h)).toThrow('there is no block 9')
  model.dispose()
})
