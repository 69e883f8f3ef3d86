import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EditCase, Probe } from '../../datasets/types'
import type { Edit } from '../edit'
import { type LanguageModel, openModel } from '../model'
import { useBackend } from '../tensor'
import { normaliseAnswer } from './free-answers'
import { divergence, perplexity, type Side, sentimentShift } from './measures'
import { askBase, askEdited } from './score-cases'

/** Computed by the official code: golden/make.py. */
const golden = JSON.parse(readFileSync(join(__dirname, 'golden', 'expected.json'), 'utf8')) as {
  pairs: Record<'wanted' | 'other' | 'elsewhere', [string, string][]> & { sentence: [string, string] }
  es: number
  z_sent: number
  z_topic: number
  kl: number
  ppl: [number, number]
  normalised: [string, string][]
}

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

/** The change of make.py. */
function change(): Edit {
  const { dim, ffDim } = model.config
  const u = Float32Array.from({ length: dim }, (_, i) => 2.0 * (((7 * i) % 11) - 5))
  const v = Float32Array.from({ length: ffDim }, (_, i) => 0.02 * (((5 * i) % 13) - 6))
  const part = { kind: 'low-rank', site: 'layers.2.mlp.proj', rank: 1, out: dim, in: ffDim, u, v } as const
  return { method: 'golden', requests: [], parts: [part], diagnostics: {} }
}

const texts = (pairs: readonly [string, string][]) => pairs.map(([prompt, text]) => ({ prompt, text }))

it('measures what the official code measures on the same model, change and texts', () => {
  const { wanted, other, elsewhere, sentence } = golden.pairs
  const asked = { kind: 'k', prompt: wanted[0]![0], expected: [wanted[0]![1]] }
  const probes: Probe[] = [
    { ...asked, property: 'accuracy', sides: { wanted: texts(wanted), other: texts(other) } },
    { ...asked, property: 'locality', diverge: texts(elsewhere) },
    { property: 'accuracy', kind: 'k', prompt: sentence[0], expected: [sentence[1]] }
  ]
  const request = { prompt: 'tea', subject: 'tea', target: 'tea' }
  const editCase: EditCase = { id: 'c', requests: [request], probes, place: '' }
  const measures = [sentimentShift, divergence, perplexity]
  const base = askBase(model, [editCase], { localityTokens: 8, measures })
  const { rows } = askEdited(model, base, [change()], { setting: 's', held: 1 })
  const value = (measure: (typeof measures)[number], row: number, side: Side) => measure.value(rows[row]!, side)!
  expect(golden.z_topic).toBeLessThan(0.9)
  expect(value(sentimentShift, 0, 'after')).toBeCloseTo(golden.es, 4)
  expect(value(divergence, 1, 'after') / golden.kl).toBeCloseTo(1, 3)
  expect(value(divergence, 1, 'before')).toBe(0)
  expect(value(perplexity, 2, 'before')).toBeCloseTo(golden.ppl[0], 4)
  expect(value(perplexity, 2, 'after')).toBeCloseTo(golden.ppl[1], 4)
  // Before the edit the model is on topic by definition.
  const { scores } = rows[0]!
  const z = 1 / (1 + Math.exp(scores['wanted_nll.before']! - scores['other_nll.before']!))
  expect(value(sentimentShift, 0, 'before')).toBeCloseTo(z, 6)
})

it('normalises answers as the official code does', () => {
  expect(golden.normalised.map(([text]) => normaliseAnswer(text))).toEqual(golden.normalised.map(([, n]) => n))
})
