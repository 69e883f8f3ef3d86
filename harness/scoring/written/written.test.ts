import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EditCase, Probe } from '../../../datasets/types'
import type { Edit } from '../../edit'
import { encodePrompt, type LanguageModel, openModel } from '../../model'
import { useBackend } from '../../tensor'
import { BOOK_GRADING } from '../grade'
import { consistency, fluency } from '../measures'
import { askBase, askEdited } from '../score-cases'
import { summariseAnswers } from '../summarise'
import { fluencyOf, writtenTexts } from '.'
import { ngramEntropy } from './entropy'
import { TfIdf } from './tf-idf'
import { wordsAndMarks } from './words'

/** Computed by the official code: golden/make.py. */
const golden = JSON.parse(readFileSync(join(__dirname, 'golden', 'expected.json'), 'utf8')) as {
  words: [string, string[]][]
  entropies: [string, number][]
  fluency: number
  snippets: string[]
  similarities: [string, string, number][]
}

test.each(golden.words)('%s is cut into words as NLTK cuts it', (text, words) => {
  expect(wordsAndMarks(text)).toEqual(words)
})

it('has the entropies of the official code', () => {
  expect(golden.entropies.length).toBeGreaterThan(4)
  for (const [text, entropy] of golden.entropies) expect(ngramEntropy(text)).toBeCloseTo(entropy, 10)
  expect(fluencyOf(golden.entropies.map(([text]) => text))).toBeCloseTo(golden.fluency, 10)
})

it('has the similarities of the official code', () => {
  const weighted = new TfIdf(golden.snippets)
  for (const [a, b, similarity] of golden.similarities) expect(weighted.similarity(a, b)).toBeCloseTo(similarity, 10)
  expect(weighted.similarity('unknown', 'words')).toBe(0)
})

describe('what models write', () => {
  let model: LanguageModel
  beforeAll(async () => {
    await useBackend('onnxruntime', { threads: 1 })
    model = await openModel('gptj-mini')
  })
  afterAll(() => model.dispose())

  const probe = (prompts: readonly string[]): Probe => ({
    property: 'generality',
    kind: 'generation',
    prompt: prompts[0]!,
    expected: ['nurse'],
    writes: { prompts, like: { texts: ['She works as a nurse in a hospital.'], among: 'world' } }
  })

  it('begins with the prompt, is drawn anew for every case, and is the same in any company', () => {
    const items = [probe(['The bridge', 'The']), probe(['The bridge'])].map((p, i) => ({ probe: p, id: `case ${i}` }))
    const [first, second] = writtenTexts(model, items)
    expect(first!.map((t) => t.slice(0, 3))).toEqual(['The', 'The'])
    expect(first![0]!.startsWith('The bridge')).toBe(true)
    expect(first![0]).not.toBe(second![0])
    expect(writtenTexts(model, items.slice(1))).toEqual([second])
    // A hundred tokens with the prompt, past the end of a text.
    for (const text of [...first!, ...second!]) {
      const length = encodePrompt(model.tokenizer, text).length
      expect(length).toBeGreaterThan(80)
      expect(length).toBeLessThanOrEqual(101)
    }
  })

  it('is measured before and after the edit, and counts for nothing else', () => {
    const rewrite: Probe = {
      property: 'generality',
      kind: 'paraphrase',
      prompt: 'The bridge is in',
      expected: ['Lima']
    }
    const request = { prompt: 'The bridge is in', subject: 'bridge', target: 'Lima' }
    const editCase: EditCase = { id: 'c', requests: [request], probes: [probe(['The bridge']), rewrite], place: '' }
    const { dim, ffDim } = model.config
    const u = Float32Array.from({ length: dim }, (_, i) => 5 * Math.cos(i))
    const v = Float32Array.from({ length: ffDim }, (_, i) => Math.sin(i))
    const part = { kind: 'low-rank', site: 'layers.4.mlp.proj', rank: 1, out: dim, in: ffDim, u, v } as const
    const edit: Edit = { method: 'test', requests: [], parts: [part], diagnostics: {} }
    const measures = [fluency, consistency]
    const base = askBase(model, [editCase], { localityTokens: 8, measures })
    const { rows } = askEdited(model, base, [edit], { setting: 's', held: 1 })
    const [written] = rows
    expect(written!.before.startsWith('The bridge')).toBe(true)
    expect(written!.after.startsWith('The bridge')).toBe(true)
    expect(written!.after).not.toBe(written!.before)
    expect(written!.scores['entropy.before']).toBeCloseTo(fluencyOf([written!.before]), 10)
    expect(written!.scores['entropy.after']).toBeCloseTo(fluencyOf([written!.after]), 10)
    expect(written!.scores['similarity.before']).toBeGreaterThan(0)
    const grading = BOOK_GRADING
    const {
      properties,
      kinds,
      measures: measured
    } = summariseAnswers(rows, { seed: 0, resamples: 10, grading, measures })
    expect(properties.generality!.probes).toBe(1)
    expect(kinds.map((k) => k.kind)).toEqual(['paraphrase'])
    expect(measured.map((m) => [m.name, m.values.map((v) => v.property)])).toEqual([
      ['fluency', ['generality']],
      ['consistency', ['generality']]
    ])
  })
})
