import type { EditCase } from '../../datasets/types'
import { type LanguageModel, openModel } from '../model'
import { useBackend } from '../tensor'
import { cutByTokens } from './last-tokens'

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

const TEXT = 'The bridge is in Lima and Mark Reed works as a nurse in the zoological garden'
const editCase: EditCase = {
  id: 'c',
  place: '',
  lastTokens: 5,
  requests: [{ prompt: 'The bridge', subject: 'The bridge', target: TEXT.slice('The bridge '.length) }],
  probes: [
    { property: 'accuracy', kind: 'rewrite', prompt: 'The bridge', expected: [TEXT.slice('The bridge '.length)] },
    { property: 'locality', kind: 'other', prompt: 'The zebra', expected: 'same-as-before' }
  ]
}

it('a target is the last tokens of the text, with the rest of the word that the first of them is in', () => {
  const [{ prompt, target, subject }] = cutByTokens(model.tokenizer, editCase).requests
  expect(`${prompt} ${target}`).toBe(TEXT)
  expect(subject).toBe(prompt)
  const length = model.tokenizer.encode(` ${target}`).length
  expect(length).toBeGreaterThanOrEqual(5)
  // One word less would be too few.
  expect(model.tokenizer.encode(` ${target.slice(target.indexOf(' ') + 1)}`).length).toBeLessThan(5)
})

it('questions about it are cut at the same place, others stay; a case without is as it was', () => {
  const { requests, probes } = cutByTokens(model.tokenizer, editCase)
  expect(probes[0]).toMatchObject({ prompt: requests[0].prompt, expected: [requests[0].target] })
  expect(probes[1]).toBe(editCase.probes[1])
  const { lastTokens: _, ...plain } = editCase
  expect(cutByTokens(model.tokenizer, plain)).toBe(plain)
})

it('a word stays before it', () => {
  const [{ prompt }] = cutByTokens(model.tokenizer, { ...editCase, lastTokens: 500 }).requests
  expect(prompt).toBe('The')
})
