import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EditCase, Probe } from '../../datasets/types'
import type { Edit } from '../edit'
import { type LanguageModel, openModel } from '../model'
import { useBackend } from '../tensor'
import { normaliseAnswer } from './free-answers'
import { divergence, MEASURES, type Measure, perplexity, type Side, sentimentShift } from './measures'
import { askBase, askEdited } from './score-cases'

/** Computed by the official code: golden/make.py. */
const golden = JSON.parse(readFileSync(join(__dirname, 'golden', 'expected.json'), 'utf8')) as {
  pairs: Record<'wanted' | 'other' | 'elsewhere', [string, string][]> & { sentence: [string, string] }
  conflict: Record<'subject' | 'earlier' | 'later' | 'tied', string> &
    Record<'cm' | 'tfd' | 'd' | 'ir' | 'fr', number> & { prompts: string[]; others: string[]; cs: [number, number] }
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

/** The change of make.py, or a part of it. */
function change(part = 1): Edit {
  const { dim, ffDim } = model.config
  const u = Float32Array.from({ length: dim }, (_, i) => part * 2.0 * (((7 * i) % 11) - 5))
  const v = Float32Array.from({ length: ffDim }, (_, i) => 0.02 * (((5 * i) % 13) - 6))
  const update = { kind: 'low-rank', site: 'layers.2.mlp.proj', rank: 1, out: dim, in: ffDim, u, v } as const
  return { method: 'golden', requests: [], parts: [update], diagnostics: {} }
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

it('measures contradicting edits, and edits that are taken back, as the official code does', () => {
  const { prompts, subject, earlier, later, tied, others, ...wanted } = golden.conflict
  const said = (text: string) => prompts.map((p) => ({ prompt: p.replace('{}', subject), text }))
  const { prompt } = said('')[0]!
  const asked = { property: 'accuracy', prompt, expected: [later] } as const
  const probes: Probe[] = [
    { ...asked, kind: 'later-edit', sides: { wanted: said(later), other: said(earlier) } },
    { ...asked, kind: 'tied-fact', sides: { wanted: said(tied), other: [] } },
    { ...asked, kind: 'other-answers', answers: [earlier, ...others].map(said) }
  ]
  const request = { prompt, subject, target: later }
  const editCase: EditCase = { id: 'c', requests: [request], probes, place: '' }
  const names = [
    'conflict-score',
    'conflict-magnitude',
    'tied-fact-damage',
    'distortion',
    'ignore-rate',
    'failure-rate'
  ]
  const measures = names.map((name) => MEASURES.find((m) => m.name === name)!)
  const base = askBase(model, [editCase], { localityTokens: 8, measures })
  const { rows } = askEdited(model, base, [change()], { setting: 's', held: 1, between: [change(0.5)] })
  const [cs, cm, tfd, d, ir, fr] = measures as [Measure, Measure, Measure, Measure, Measure, Measure]
  expect([cs.value(rows[0]!, 'before'), cs.value(rows[0]!, 'after')]).toEqual(wanted.cs)
  expect(cm.value(rows[0]!, 'after')).toBeCloseTo(wanted.cm, 4)
  expect(tfd.value(rows[1]!, 'after')).toBeCloseTo(wanted.tfd, 4)
  expect(d.value(rows[2]!, 'after')! / wanted.d).toBeCloseTo(1, 3)
  expect(ir.value(rows[2]!, 'after')).toBeCloseTo(wanted.ir, 10)
  expect(fr.value(rows[2]!, 'after')).toBe(wanted.fr)
  // Of other questions they say nothing, and before the edits nothing is lost.
  expect(measures.map((m) => rows.map((r) => m.value(r, 'before')))).toEqual([
    [1, undefined, undefined],
    [0, undefined, undefined],
    [undefined, 0, undefined],
    [undefined, undefined, 0],
    [undefined, undefined, 0],
    [undefined, undefined, 0]
  ])
})

it('normalises answers as the official code does', () => {
  expect(golden.normalised.map(([text]) => normaliseAnswer(text))).toEqual(golden.normalised.map(([, n]) => n))
})
