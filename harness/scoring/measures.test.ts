import type { EditCase, Probe } from '../../datasets/types'
import { type LanguageModel, openModel } from '../model'
import { estimate } from '../statistics/intervals'
import { useBackend } from '../tensor'
import { BOOK_GRADING } from './grade'
import { MEASURES, type Side } from './measures'
import { askBase, askEdited } from './score-cases'
import { summariseAnswers } from './summarise'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

const measure = (name: string) => MEASURES.find((m) => m.name === name)!
const PROMPT = 'Mark Reed works as a'

/** Rows of a model that is not edited. */
function rowsOf(probes: readonly Probe[], names: readonly string[]) {
  const measures = names.map(measure)
  const request = { prompt: PROMPT, subject: 'Mark Reed', target: 'nurse' }
  const cases = probes.map((p, i): EditCase => ({ id: `c${i}`, requests: [request], probes: [p], place: '' }))
  const base = askBase(model, cases, { localityTokens: 8, measures })
  return askEdited(
    model,
    base,
    cases.map(() => null),
    { setting: 's', held: 1 }
  ).rows
}
/** Summed negative log likelihood of what follows a prompt. */
const nllOf = (prompt: string, text: string) => {
  const target = model.tokenizer.encode(` ${text}`)
  return model.score([{ prompt, target }])[0]!.nll
}
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

const asked = { property: 'accuracy', kind: 'k', prompt: PROMPT, expected: ['nurse'] } as const

it('the label of a question is the likeliest of its choices, and where it must stay it is compared with the one before', () => {
  const texts = ['nurse', 'judge', 'teacher', 'pilot']
  const likeliest = texts
    .map((t) => sum(nllOf(PROMPT, t)))
    .map((n, i, all) => [i, all.filter((m) => m < n).length + 1] as const)
  const best = likeliest.find(([, rank]) => rank === 1)![0]
  const worst = likeliest.find(([, rank]) => rank === texts.length)![0]
  const probes: Probe[] = [
    { ...asked, choices: { texts, right: best } },
    { ...asked, choices: { texts, right: worst } },
    { ...asked, property: 'locality', expected: 'same-as-before', choices: { texts } },
    asked
  ]
  const rows = rowsOf(probes, ['label-accuracy', 'reciprocal-rank'])
  const values = (name: string) => rows.map((r) => measure(name).value(r, 'after'))
  expect(values('label-accuracy')).toEqual([1, 0, 1, undefined])
  expect(values('reciprocal-rank')).toEqual([1, 1 / texts.length, undefined, undefined])
  const moved = { ...rows[2]!, scores: { ...rows[2]!.scores, 'label.after': (best + 1) % texts.length } }
  expect(measure('label-accuracy').value(moved, 'after')).toBe(0)
})

it('a fact is known when its first token is likelier after its own relation than after wrong ones', () => {
  const said = (prompt: string) => ({ prompt, text: 'nurse' })
  const wrong = ['Mark Reed was born in', 'The zebra lives in']
  const sides = { wanted: [said(PROMPT)], other: wrong.map(said) }
  const [row, other] = rowsOf(
    [
      { ...asked, kind: 'calibrated', sides },
      { ...asked, sides }
    ],
    ['cka']
  )
  const p = (prompt: string) => Math.exp(-nllOf(prompt, 'nurse')[0]!) + 0.001
  const ratio = p(PROMPT) / ((p(wrong[0]!) + p(wrong[1]!)) / 2)
  expect(row!.scores['cka.before']).toBeCloseTo(ratio, 4)
  expect(measure('cka').value(row!, 'after')).toBe(Number(ratio > 1))
  expect(measure('cka').value(other!, 'after')).toBeUndefined()
})

it('the perplexity of all texts counts each the same, however long, and is no mean of perplexities', () => {
  const texts = ['nurse', 'nurse and lives in the town that she was born in']
  const probes = texts.map((text): Probe => ({ ...asked, expected: [text] }))
  const rows = rowsOf(probes, ['total-perplexity', 'perplexity'])
  const nll = texts.map((t) => nllOf(PROMPT, t))
  const [pooled, each] = summariseAnswers(rows, {
    seed: 0,
    resamples: 50,
    grading: BOOK_GRADING,
    measures: ['total-perplexity', 'perplexity'].map(measure)
  }).measures
  const all = Math.exp((sum(nll[0]!) / nll[0]!.length + sum(nll[1]!) / nll[1]!.length) / 2)
  const mean = (Math.exp(sum(nll[0]!) / nll[0]!.length) + Math.exp(sum(nll[1]!) / nll[1]!.length)) / 2
  for (const side of ['edited', 'base'] as const) {
    expect(pooled!.values[0]![side].mean / all).toBeCloseTo(1, 4)
    expect(each!.values[0]![side].mean / mean).toBeCloseTo(1, 4)
  }
  expect(all).not.toBeCloseTo(mean, 1)
  const { low, high } = pooled!.values[0]!.edited
  expect(low).toBeLessThanOrEqual(all)
  expect(high).toBeGreaterThanOrEqual(all)
})

it('an interval of a weighted mean is that of equal weights where they are equal', () => {
  const values = [0.1, 0.4, 0.9, 0.2]
  const options = { seed: 0, resamples: 100 }
  expect(estimate(values, { ...options, weights: [2, 2, 2, 2] })).toEqual(estimate(values, options))
  expect(estimate(values, { ...options, weights: [1, 0, 0, 0] })!.mean).toBe(0.1)
})

it('every measure stores before and after under its own names', () => {
  const sides: Side[] = ['before', 'after']
  const rows = rowsOf([{ ...asked, choices: { texts: ['nurse', 'judge'], right: 0 } }], ['label-accuracy'])
  for (const side of sides)
    expect(Object.keys(rows[0]!.scores)).toEqual(expect.arrayContaining([`label.${side}`, `label_rank.${side}`]))
})
