import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findDataset, loadCases } from '../../datasets'
import type { EditCase, Probe, Property } from '../../datasets/types'
import type { Edit } from '../edit'
import { type LanguageModel, openModel } from '../model'
import { useBackend } from '../tensor'
import { BOOK_GRADING } from './grade'
import { findMeasure } from './measures'
import { askBase, askEdited } from './score-cases'
import { summariseAnswers } from './summarise'

type Sides<T> = [before: T, after: T]
type Facts = Record<'rewrite' | 'paraphrase' | 'neighborhood', number>

/** What papers' own scoring code counts for gptj-mini and for a change of it: golden/make_tables.py. */
const golden = JSON.parse(readFileSync(join(__dirname, 'golden', 'tables.json'), 'utf8')) as {
  counterfact: Record<'success' | 'diff', Record<'pre' | 'post', Facts>> & { score: Record<'pre' | 'post', number> }
  tokens: { pairs: [string, string][]; shares: Sides<number[]> }
  mquake: { records: unknown[]; accuracy: Sides<number> }
  cka: { facts: [string, string, string, string[]][]; scores: Sides<number[]> }
  ecbd: {
    sentences: [string, string, string][]
    each: Sides<number[]>
    total: Sides<number>
    choices: [string, string[], string][]
    accuracy: Sides<number>
  }
  bios: { labels: string[]; items: [string, string][]; found: Sides<Record<'top1' | 'top3' | 'mrr', number>> }
  general: {
    texts: string[]
    choices: [string, string[], number][]
    found: Sides<Record<'acc' | 'acc_norm' | 'bits_per_byte', number>>
  }
}

let model: LanguageModel
let dir: string
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
  dir = mkdtempSync(join(tmpdir(), 'bench-tables-'))
})
afterAll(() => {
  model.dispose()
  rmSync(dir, { recursive: true, force: true })
})

/** The change of make_tables.py. */
function change(): Edit {
  const { dim, ffDim } = model.config
  const u = Float32Array.from({ length: dim }, (_, i) => 2.0 * (((7 * i) % 11) - 5))
  const v = Float32Array.from({ length: ffDim }, (_, i) => 0.02 * (((5 * i) % 13) - 6))
  const update = { kind: 'low-rank', site: 'layers.2.mlp.proj', rank: 1, out: dim, in: ffDim, u, v } as const
  return { method: 'golden', requests: [], parts: [update], diagnostics: {} }
}

/** Answers before and after the change, and what they come to: the mean of a measure under a property, on both sides. */
function scored(cases: readonly EditCase[], names: readonly string[]) {
  const measures = names.map(findMeasure)
  const base = askBase(model, cases, { localityTokens: 8, measures })
  const edit = change()
  const edits = cases.map(() => edit)
  const { rows } = askEdited(model, base, edits, { setting: 's', held: 1 })
  const summary = summariseAnswers(rows, { seed: 0, resamples: 10, grading: BOOK_GRADING, measures })
  const sidesOf = ({ base, edited }: { base: { mean: number }; edited: { mean: number } }): Sides<number> => [
    base.mean,
    edited.mean
  ]
  return {
    rows,
    summary,
    of(name: string, property: Property): Sides<number> {
      const { values } = summary.measures.find((m) => m.name === name)!
      return sidesOf(values.find((v) => v.property === property)!)
    },
    composite: (name: string) => {
      const { base, edited } = summary.measures.find((m) => m.name === name)!.composite!
      return [base, edited]
    }
  }
}

const caseOf = (id: number, ...probes: Probe[]): EditCase => {
  const request = { prompt: 'tea', subject: 'tea', target: 'tea' }
  return { id: `${id}`, requests: [request], probes, place: '' }
}
const asks = (prompt: string, ...expected: string[]) => ({
  ...({ property: 'accuracy', kind: 'k', prompt } as const),
  expected: expected as [string, ...string[]]
})

async function fromFile(dataset: string, file: string): Promise<EditCase[]> {
  const cases: EditCase[] = []
  for await (const c of loadCases(findDataset(dataset), file, { onBadRecord: 'fail', seed: 0, options: {} }))
    cases.push(c)
  return cases
}

const close = (found: readonly number[], wanted: readonly number[], digits: number) =>
  expect(found).toEqual(wanted.map((w) => expect.closeTo(w, digits)))

it('CounterFact: success, differences and the score are those of ROME', async () => {
  const file = join(__dirname, '..', '..', 'datasets', 'counterfact', 'sample', 'nested.json')
  const { of, composite } = scored(await fromFile('counterfact', file), ['probability', 'probability-magnitude'])
  const { success, diff, score } = golden.counterfact
  const keys = { accuracy: 'rewrite', generality: 'paraphrase', locality: 'neighborhood' } as const
  for (const [property, key] of Object.entries(keys) as [keyof typeof keys, keyof Facts][]) {
    close(of('probability', property), [success.pre[key], success.post[key]], 10)
    close(of('probability-magnitude', property), [diff.pre[key], diff.post[key]], 6)
  }
  // They print two decimals of a percentage.
  close(
    composite('probability').map((s) => 100 * s!),
    [score.pre, score.post],
    2
  )
})

it('shares of right tokens are those of EasyEdit', () => {
  const { pairs, shares } = golden.tokens
  const { rows } = scored(
    pairs.map(([prompt, target], i) => caseOf(i, asks(prompt, target))),
    []
  )
  close(
    rows.map((r) => r.shareBefore),
    shares[0],
    10
  )
  close(
    rows.map((r) => r.shareAfter),
    shares[1],
    10
  )
})

it('MQuAKE: an instance counts when any of its questions is answered, by an alias too', async () => {
  const file = join(dir, 'mquake.json')
  writeFileSync(file, JSON.stringify(golden.mquake.records))
  const { summary } = scored(await fromFile('mquake', file), ['instance-wise', 'multi-hop-mean'])
  const { base, edited } = summary.properties.portability!
  expect([base.mean, edited.mean]).toEqual(golden.mquake.accuracy)
  expect(golden.mquake.accuracy).toEqual([0.25, 0.5])
})

it('T-REx: what is known is what CaliNet calls known', () => {
  const { facts, scores } = golden.cka
  const cases = facts.map(([, prompt, text, wrong], i) => {
    const said = (p: string) => ({ prompt: p, text })
    const sides = { wanted: [said(prompt)], other: wrong.map(said) }
    return caseOf(i, { ...asks(prompt, text), kind: 'calibrated', sides })
  })
  const { rows, of } = scored(cases, ['cka'])
  for (const [i, side] of (['before', 'after'] as const).entries())
    for (const [j, { scores: s }] of rows.entries()) expect(s[`cka.${side}`]! / scores[i]![j]!).toBeCloseTo(1, 3)
  close(
    of('cka', 'accuracy'),
    scores.map((s) => s.filter((x) => x > 1).length / s.length),
    10
  )
})

it('ECBD: perplexities of spans, of all of them together, and choices between labels', () => {
  const { sentences, each, total, choices, accuracy } = golden.ecbd
  const spans = sentences.map(([prompt, span], i) => caseOf(i, asks(prompt, span)))
  const { rows, of } = scored(spans, ['total-perplexity'])
  for (const [i, side] of (['before', 'after'] as const).entries())
    for (const [j, { scores }] of rows.entries())
      expect(Math.exp(scores[`text_nll.${side}`]!) / each[i]![j]!).toBeCloseTo(1, 3)
  close(
    of('total-perplexity', 'accuracy').map((p, i) => p / total[i]!),
    [1, 1],
    3
  )
  const labelled = choices.map(([prompt, texts, right], i) =>
    caseOf(i, { ...asks(prompt, right), choices: { texts, right: texts.indexOf(right) } })
  )
  close(scored(labelled, ['label-accuracy']).of('label-accuracy', 'accuracy'), accuracy, 10)
})

it('Bias in Bios: titles by their first tokens as in REMEDI, and the reciprocal rank of scikit-learn', () => {
  const { labels: texts, items, found } = golden.bios
  const cases = items.map(([prompt, right], i) =>
    caseOf(i, { ...asks(prompt, right), choices: { texts, right: texts.indexOf(right) } })
  )
  const { of } = scored(cases, ['first-token-label', 'first-token-label-top-3', 'reciprocal-rank'])
  const names = { top1: 'first-token-label', top3: 'first-token-label-top-3', mrr: 'reciprocal-rank' } as const
  for (const [key, name] of Object.entries(names) as [keyof typeof names, string][])
    close(
      of(name, 'accuracy'),
      found.map((f) => f[key]),
      6
    )
})

it('general ability: choices and bits a byte are those of lm-evaluation-harness', () => {
  const { texts, choices, found } = golden.general
  const general = { property: 'locality', expected: 'same-as-before' } as const
  const cases = [
    ...texts.map((text): Probe => {
      const [prompt, ...rest] = text.split(' ') as [string, ...string[]]
      return { ...general, kind: 'general-text', prompt, gold: rest.join(' ') }
    }),
    ...choices.map(
      ([prompt, options, right]): Probe => ({
        ...{ ...asks(prompt, options[right]!), property: 'locality', kind: 'general-choice' },
        choices: { texts: options, right }
      })
    )
  ].map((probe, i) => caseOf(i, probe))
  const { of } = scored(cases, ['general-text', 'general-choice', 'general-choice-by-character'])
  const names = {
    acc: 'general-choice',
    acc_norm: 'general-choice-by-character',
    bits_per_byte: 'general-text'
  } as const
  for (const [key, name] of Object.entries(names) as [keyof typeof names, string][])
    close(
      of(name, 'locality'),
      found.map((f) => f[key]),
      4
    )
})
