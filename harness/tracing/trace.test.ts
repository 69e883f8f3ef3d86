import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { type LanguageModel, openModel, readSafetensorsHeader, readTensor } from '../model'
import { useBackend } from '../tensor'
import expected from './golden/expected.json'
import { traceFacts } from './trace'
import { defaultWindow, type FactTrace, type TracedFact, type TraceKind, type TraceOptions } from './types'

/** Compared with the official code on the same model and with the same noise (golden/make.py). */

let model: LanguageModel
let noises: ReturnType<typeof readSafetensorsHeader>['tensors']
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
  noises = readSafetensorsHeader(join(__dirname, 'golden/noise.safetensors')).tensors
})
afterAll(() => model.dispose())

const facts: TracedFact[] = expected.cases.map(({ prompt, subject }, i) => ({
  id: String(i),
  prompt,
  subject,
  subjectAt: prompt.indexOf(subject)
}))
/** The noise is a number in the official code: here so many spreads of the embeddings. */
const spread = () => traceFacts(model, facts, { ...base, samples: 1, noise: 1 }).noise
const base: TraceOptions = { samples: expected.samples, noise: 1, window: expected.window, seed: 0 }
const golden = (): TraceOptions => ({
  ...base,
  noise: expected.noise / spread(),
  drawn: ({ id }) => readTensor(`noise ${id}`, noises.get(`noise ${id}`)!)
})

const cells = ({ effects }: FactTrace, kind: TraceKind, token?: number): number[] =>
  effects
    .filter((e) => e.kind === kind && (token === undefined || e.token === token))
    .sort((a, b) => a.token - b.token || a.layer - b.layer)
    .map((e) => e.probability)

function close(got: readonly number[], wanted: readonly number[]): void {
  expect(got).toHaveLength(wanted.length)
  for (const [i, x] of wanted.entries()) expect(Math.abs(got[i]! - x)).toBeLessThan(2e-4)
}

test('golden: every cell of every table is that of the official code', () => {
  const traces = traceFacts(model, facts, golden())
  expect(traces.facts).toHaveLength(facts.length)
  expect(traces.noise).toBeCloseTo(expected.noise, 6)
  for (const [i, c] of expected.cases.entries()) {
    const trace = traces.facts[i]!
    expect(trace.answer).toBe(c.answer)
    close([trace.high, trace.low], [c.high, c.low])
    close(cells(trace, 'block'), c.block.flat())
    close(cells(trace, 'mlp'), c.mlp.flat())
    close(cells(trace, 'attention'), c.attention.flat())
    const last = c.range[1]! - 1
    expect(trace.roles[last]).toBe('last subject token')
    close(cells(trace, 'block, mlps severed', last), c.severed_mlp)
    close(cells(trace, 'block, attentions severed', last), c.severed_attention)
  }
})

test('facts that run together have the effects they have alone, and nothing is left in memory', () => {
  const options = { ...base, samples: 2, noise: 3 }
  const [first] = facts as [TracedFact]
  const again = { ...first, id: 'again' }
  const before = tf.memory().numTensors
  const [together, other] = traceFacts(model, [first, again], options).facts
  expect(tf.memory().numTensors).toBe(before)
  // The noise is in spreads of the subjects' embeddings, which are the same.
  const [alone] = traceFacts(model, [first], options).facts
  for (const kind of ['block', 'mlp', 'attention'] as const) close(cells(alone!, kind), cells(together!, kind))
  // Each fact has noise of its own.
  expect(cells(together!, 'block')).not.toEqual(cells(other!, 'block'))
})

test('all that is given back at once is the answer; what stands before the subject gives nothing back', () => {
  const [said] = traceFacts(model, facts.slice(2), { ...base, samples: 2, noise: 3 }).facts
  const layers = model.config.layers
  const tokens = said!.tokens.length
  // The last block's stream at the last token is all that the answer is made of.
  expect(cells(said!, 'block', tokens - 1).at(-1)).toBeCloseTo(said!.high, 4)
  expect(said!.roles.slice(0, 3)).toEqual(
    Array(3).fill('before the subject').slice(0, said!.roles.indexOf('first subject token'))
  )
  for (const p of cells(said!, 'block', 0)) expect(p).toBe(said!.low)
  expect(cells(said!, 'mlp', 0)).toHaveLength(layers)
})

test('a fact that the model says otherwise is not traced, but named', () => {
  const told = facts.map((f) => ({ ...f, expected: 'zebra' }))
  const { facts: traced, unknown } = traceFacts(model, [...told, facts[0]!], base)
  expect(traced.map((t) => t.fact)).toEqual([facts[0]])
  expect(unknown).toEqual(told)
})

test('a window is a fifth of the blocks, as ten are of 48', () => {
  expect([defaultWindow(48), defaultWindow(8), defaultWindow(2)]).toEqual([10, 2, 1])
})
