import type { EditCase, Probe } from '../../datasets/types'
import type { Edit } from '../edit/types'
import { encodePrompt, encodeTarget, greedy, type LanguageModel, openModel } from '../model'
import { randomStream } from '../random'
import { useBackend } from '../tensor'
import { askBase, askEdited, tooLong } from './score-cases'

let model: LanguageModel
const options = { localityTokens: 6 }

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

const probe = (change: Partial<Probe>): Probe => ({
  property: 'accuracy',
  kind: 'rewrite',
  prompt: 'The zebra eats',
  expected: ['seeds'],
  ...change
})
const caseOf = (id: string, ...probes: Probe[]): EditCase => ({
  id,
  request: { prompt: 'The zebra eats', subject: 'zebra', target: 'fish' },
  probes
})
/** A change of W_proj that has an effect on everything. */
function noise(size: number): Edit {
  const { dim, ffDim } = model.config
  const random = randomStream(0, 'score test')
  const draw = (n: number) => Float32Array.from({ length: n }, () => size * random.normal())
  return {
    method: 'noise',
    requests: [],
    parts: [
      { kind: 'low-rank', site: 'layers.2.mlp.proj', rank: 1, out: dim, in: ffDim, u: draw(dim), v: draw(ffDim) }
    ],
    diagnostics: {}
  }
}

const PROMPTS = ['The zebra eats', 'What is the main food of the otter?', 'The lion lives in', 'Two boys ran']

it('calls an answer right if and only if greedy decoding gives exactly it, edited or not', () => {
  const edit = noise(0.5)
  const ask = (e?: Edit) =>
    greedy(
      model,
      PROMPTS.map((p) => encodePrompt(model.tokenizer, p)),
      {
        maxNewTokens: 2,
        ...(e === undefined ? {} : { edit: e })
      }
    ).map((ids) => model.tokenizer.decode(ids).trim())
  const [before, after] = [ask(), ask(edit)]
  const candidates = [...new Set([...before, ...after, 'seeds', 'savanna'])].filter((c) => c !== '')
  const probes = PROMPTS.flatMap((prompt) => candidates.map((c) => probe({ prompt, expected: [c] })))
  const [only] = [caseOf('1', ...probes)]
  const rows = askEdited(model, askBase(model, [only], options), [edit], 's')
  expect(rows).toHaveLength(probes.length)
  for (const [i, { exactBefore, exactAfter }] of rows.entries()) {
    const said = Math.floor(i / candidates.length)
    const wanted = candidates[i % candidates.length]!
    const starts = (text: string) =>
      encodeTarget(model.tokenizer, wanted).every((id, j) => id === encodeTarget(model.tokenizer, text)[j])
    expect(exactBefore).toBe(starts(before[said]!))
    expect(exactAfter).toBe(starts(after[said]!))
  }
  expect(rows.some((r) => r.exactBefore)).toBe(true)
})

it('takes the accepted answer that fits best', () => {
  const [row] = askEdited(
    model,
    askBase(model, [caseOf('1', probe({ expected: ['tractor', 'seeds'] }))], options),
    [noise(0)],
    's'
  )
  expect(row).toMatchObject({ expected: 'seeds', exactBefore: true, exactAfter: true })
})

it('compares locality with the unedited model’s own answer, up to the end of its sentence', () => {
  const same = probe({ property: 'locality', kind: 'neighbourhood', expected: 'same-as-before' })
  const base = askBase(model, [caseOf('1', same)], options)
  const [kept] = askEdited(model, base, [noise(0)], 's')
  expect(kept).toMatchObject({ expected: 'seeds.', exactBefore: true, exactAfter: true, shareAfter: 1 })
  const [lost] = askEdited(model, base, [noise(30)], 's')
  expect(lost).toMatchObject({ exactBefore: true, exactAfter: false })
})

it('compares the likelihoods of two continuations, lower when worse', () => {
  const [row] = askEdited(
    model,
    askBase(model, [caseOf('1', probe({ compare: { better: 'seeds', worse: 'fish' } }))], options),
    [noise(0)],
    's'
  )
  expect(row!.betterNllBefore!).toBeLessThan(row!.worseNllBefore!)
  expect(row!.betterNllAfter).toBeCloseTo(row!.betterNllBefore!, 4)
})

it('has no rows for a case whose edit failed, and scores every case under its own edit', () => {
  const cases = [caseOf('a', probe({})), caseOf('b', probe({})), caseOf('c', probe({}))]
  const rows = askEdited(model, askBase(model, cases, options), [noise(0), undefined, noise(30)], 's')
  expect(rows.map((r) => [r.caseId, r.exactAfter])).toEqual([
    ['a', true],
    ['c', false]
  ])
})

it('says which case is too long for the model', () => {
  const long = probe({ prompt: 'grass '.repeat(300) })
  expect(tooLong(model, caseOf('1', long), options)).toMatch(/longer than the model's 256 positions/)
  expect(tooLong(model, caseOf('1', probe({})), options)).toBeUndefined()
})
