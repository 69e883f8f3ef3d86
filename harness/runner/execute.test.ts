import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import type { EditCase } from '../../datasets/types'
import { ftL } from '../../methods/ft-l'
import type { EditingMethod, MethodContext } from '../../methods/types'
import type { Edit, LowRankPart } from '../edit'
import { UserError } from '../errors'
import { type LanguageModel, openModel } from '../model'
import { packageRoot } from '../package-root'
import { useBackend, watchTensorBytes } from '../tensor'
import { describeCorpus, openCorpus } from './corpus'
import { editGroups, type Outcome } from './edit-groups'
import { WorkerState } from './execute'
import { checkWeights } from './run'
import type { OpenedModel } from './tasks'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(`${packageRoot()}/harness/model/golden/gptj`)
})
afterAll(() => model.dispose())

const caseOf = (id: string): EditCase => ({
  id,
  requests: [{ prompt: `The ${id} is`, subject: id, target: 'x' }],
  probes: [],
  place: ''
})
const context: MethodContext = { seed: 0, cacheDir: '', log: () => {} }
const edit = (value = 0): Edit => {
  const { dim, ffDim } = model.config
  const sizes = { out: dim, in: ffDim, u: new Float32Array(dim).fill(value), v: new Float32Array(ffDim) }
  return {
    method: 'test',
    requests: [],
    parts: [{ kind: 'low-rank', site: 'layers.1.mlp.proj', rank: 1, ...sizes }],
    diagnostics: {}
  }
}
/** A clock that goes on when somebody waits: machines do other things too. */
let clock = 0
const wait = (ms: number) => {
  clock += ms
}
const method = (editOf: EditingMethod['edit']) => ({ method: { ...ftL, edit: editOf }, h: {}, state: undefined })

async function editAll(ready: ReturnType<typeof method>, ids: readonly string[], oneByOne = false): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const groups = ids.map((id) => caseOf(id).requests)
  for await (const some of editGroups(ready, model, groups, { context, oneByOne })) outcomes.push(...some)
  return outcomes
}

describe('the edits of a shard', () => {
  beforeEach(() => jest.spyOn(performance, 'now').mockImplementation(() => clock))
  afterEach(() => jest.restoreAllMocks())

  it('that fail together are tried alone: one bad case costs itself, and each has its own time', async () => {
    const calls: number[] = []
    const sometimes = method(async function* (_, groups) {
      calls.push(groups.length)
      wait(20)
      if (groups.some(([request]) => request!.subject === 'bad')) throw new UserError('no such subject')
      yield groups.map(() => edit())
    })
    const outcomes = await editAll(sometimes, ['good', 'bad', 'fine'])
    expect(calls).toEqual([3, 1, 1, 1])
    expect(outcomes.map((o) => o.error)).toEqual([undefined, 'no such subject', undefined])
    for (const i of [0, 2]) {
      expect(outcomes[i]!.together).toBe(1)
      // Neither the failed attempt nor the others.
      expect(outcomes[i]!.editMs).toBe(20)
    }
  })

  it('have the time and memory of those they were computed with', async () => {
    const steps = method(async function* () {
      for (const together of [2, 1]) {
        const held = tf.zeros([together, 1000])
        wait(10 * together)
        held.dispose()
        yield Array.from({ length: together }, () => edit())
      }
    })
    const outcomes = await editAll(steps, ['a', 'b', 'c'])
    expect(outcomes.map((o) => [o.together, o.peakBytes, o.editMs])).toEqual([
      [2, 8000, 10],
      [2, 8000, 10],
      [1, 4000, 10]
    ])
  })

  it('that hold numbers that are none, or fit no site, fail by themselves', async () => {
    const odd = method(async function* () {
      const misplaced = edit()
      yield [
        edit(Number.NaN),
        edit(),
        { ...misplaced, parts: [{ ...(misplaced.parts[0] as LowRankPart), site: 'layers.9.mlp.proj' }] }
      ]
    })
    const outcomes = await editAll(odd, ['a', 'b', 'c'])
    expect(outcomes.map((o) => o.error)).toEqual([
      expect.stringContaining('not finite'),
      undefined,
      expect.stringContaining('a site this model does not have')
    ])
  })
})

it('measures the most that tensors held at a time, over what they held before', () => {
  const kept = tf.zeros([50])
  const peak = watchTensorBytes()
  const [a, b] = [tf.zeros([100]), tf.zeros([200])]
  tf.dispose([a, b])
  tf.zeros([10]).dispose()
  expect(peak()).toBe(1200)
  kept.dispose()
})

it('finds weights that changed during a run', async () => {
  const opened = new Map([['m', { hash: '', architecture: '', weightsHash: 'before', files: '', backend: '' }]])
  const answering = (weightsHash: string) =>
    ({ run: async () => ({ weightsHash }) }) as unknown as Parameters<typeof checkWeights>[0]
  await expect(checkWeights(answering('before'), opened)).resolves.toBeUndefined()
  await expect(checkWeights(answering('after'), opened)).rejects.toThrow('the weights of m changed during the run')
})

it('refuses to go on with other weights than the run began with', async () => {
  const state = new WorkerState(() => {})
  const setup = { backend: 'onnxruntime', threads: 1, seed: 0, cacheDir: '', localityTokens: 8 } as const
  const name = `${packageRoot()}/harness/model/golden/gptj`
  const opened = (await state.execute(setup, { type: 'open', model: name })) as OpenedModel
  const check = (hash: string) =>
    state.execute(setup, { type: 'weights-hash', model: name, opened: { ...opened, hash } })
  await expect(check(opened.hash)).resolves.toBeDefined()
  await expect(check('other')).rejects.toThrow('the weights changed during the run')
})

it('refuses to go on with another corpus than the run began with', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'bench-corpus-'))
  const file = join(dir, 'corpus.txt')
  try {
    writeFileSync(file, 'one two\n\n  \nthree 草\nfour')
    const source = await describeCorpus({ file }, dir)
    expect([...openCorpus(source).documents()]).toEqual(['one two', 'three 草', 'four'])
    writeFileSync(file, 'another')
    expect(() => openCorpus(source)).toThrow('the corpus changed during the run')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})
