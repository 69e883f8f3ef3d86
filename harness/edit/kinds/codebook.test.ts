import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { type LanguageModel, openModel, padBatch } from '../../model'
import { useBackend } from '../../tensor'
import { generateEdited, scoreEdited } from '../apply'
import { edited } from '../edited'
import { loadEdit, saveEdit } from '../store'
import type { Edit } from '../types'
import { type CodebookPart, codebook, nearest } from './codebook'

const SITE = 'layers.1.mlp.proj'
const PROMPT = 'The capital of France is'
let model: LanguageModel

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../model/golden/gptj'))
})
afterAll(() => model.dispose())

/** What goes into and out of the site for a text, `[tokens, width]` each. */
function seen(asked: LanguageModel, texts: readonly string[], prompts?: readonly number[]): number[][][] {
  const rows = texts.map((t) => model.tokenizer.encode(t))
  return tf.tidy(() => {
    const batch = { ...padBatch(rows), ...(prompts === undefined ? {} : { prompts }) }
    const { captured } = asked.forward(batch, { to: 2, capture: [`${SITE}:in`, SITE] })
    return [`${SITE}:in`, SITE].map((site) => {
      const { shape } = captured[site]!
      const data = [...captured[site]!.dataSync()]
      const size = shape[1] * shape[2]
      return rows.map((_, i) => data.slice(i * size, (i + 1) * size)) as never
    })
  }) as never
}

const queryOf = (text: string): Float32Array => {
  const [[x]] = seen(model, [text]) as unknown as [[number[]]]
  return Float32Array.from(x.slice(-model.config.ffDim))
}
const filled = (value: number) => new Float32Array(model.config.dim).fill(value)
const part = (change: Partial<CodebookPart> = {}): CodebookPart => ({
  kind: 'codebook',
  site: SITE,
  replacement: 'replace_last',
  entries: 1,
  in: model.config.ffDim,
  out: model.config.dim,
  numbers: [0],
  keys: queryOf(PROMPT),
  values: filled(3),
  radii: Float32Array.of(0.01),
  ...change
})
const editOf = (...parts: CodebookPart[]): Edit => ({ method: 'test', requests: [], parts, diagnostics: {} })

/** Positions of a row where the site gives something else under the edit, and what. */
function changed(edit: Edit, text: string, prompt?: number): { at: number; value: number }[] {
  const { dim } = model.config
  const prompts = prompt === undefined ? undefined : [prompt]
  const [[, [before]], [, [after]]] = [seen(model, [text]), seen(edited(model, edit), [text], prompts)] as unknown as [
    [unknown, [number[]]],
    [unknown, [number[]]]
  ]
  return Array.from({ length: before.length / dim }, (_, at) => at).flatMap((at) =>
    before[at * dim] === after[at * dim] ? [] : [{ at, value: after[at * dim]! }]
  )
}

test('the value stands at the last token of the prompt, and nowhere else', () => {
  const tokens = model.tokenizer.encode(PROMPT).length
  expect(changed(editOf(part()), PROMPT)).toEqual([{ at: tokens - 1, value: 3 }])
  expect(changed(editOf(part()), `${PROMPT} Paris and`, tokens)).toEqual([{ at: tokens - 1, value: 3 }])
  expect(changed(editOf(part({ replacement: 'replace_prompt' })), `${PROMPT} Paris`, tokens)).toEqual(
    Array.from({ length: tokens - 1 }, (_, at) => ({ at, value: 3 }))
  )
})

test('what is out of every radius stays as it is, to the last digit', () => {
  expect(changed(editOf(part()), 'The capital of Italy was')).toEqual([])
  expect(changed(editOf(part({ radii: Float32Array.of(-1e-5) })), PROMPT)).toEqual([])
})

test('of several entries the nearest counts, within its own radius', () => {
  const keys = Float32Array.from([...queryOf('The capital of Italy was'), ...queryOf(PROMPT)])
  const two = { entries: 2, numbers: [0, 1], keys, values: Float32Array.from([...filled(5), ...filled(7)]) }
  const values = (radii: number[]) =>
    changed(editOf(part({ ...two, radii: Float32Array.from(radii) })), PROMPT).map((c) => c.value)
  expect(values([1e6, 0.01])).toEqual([7])
  expect(values([1e6, -1])).toEqual([])
  expect(nearest({ keys: Float32Array.of(1, 1, 0, 0, 1, 1), entries: 3, in: 2 }, Float32Array.of(1, 2))).toEqual({
    entry: 0,
    distance: 1
  })
})

test('an entry of a later part takes the place of the earlier one of its number', () => {
  const later = part({ values: filled(9), radii: Float32Array.of(0.02) })
  const other = part({ numbers: [4], keys: queryOf('In Rome') })
  const merged = codebook.merge!([part(), other, later])!
  expect([merged.numbers, merged.entries, [...merged.radii].map((r) => Math.round(100 * r))]).toEqual([
    [0, 4],
    2,
    [2, 1]
  ])
  expect(changed(editOf(part(), other, later), PROMPT).map((c) => c.value)).toEqual([9])
  // Books that replace other positions stay two.
  expect(codebook.merge!([part(), part({ replacement: 'replace_prompt' })])).toBeUndefined()
})

test('rows under different books, and under none, share a batch', () => {
  const edits = [editOf(part()), undefined, editOf(part({ values: filled(-2) }))]
  const target = [5, 6]
  const together = scoreEdited(
    model,
    edits.map((edit) => ({ prompt: PROMPT, target, edit }))
  )
  for (const [i, edit] of edits.entries()) {
    const [alone] = scoreEdited(model, [{ prompt: PROMPT, target, edit }])
    expect(together[i]!.nll[1]).toBeCloseTo(alone!.nll[1]!, 4)
  }
  expect(together[0]!.nll[0]).not.toBeCloseTo(together[1]!.nll[0]!, 2)
  expect(together[2]!.nll[0]).not.toBeCloseTo(together[1]!.nll[0]!, 2)
})

test('what is generated, token by token over keys and values, is what one pass over all of it chooses', () => {
  const edit = editOf(part())
  const [said] = generateEdited(model, [{ prompt: PROMPT, edit }], { maxNewTokens: 6, pastEnd: true })
  const [score] = scoreEdited(model, [{ prompt: PROMPT, target: said!, edit }])
  expect(score!.argmax).toEqual(said)
  // Several targets of one prompt run over the keys and values of its one pass.
  const items = [said!, [said![0]!, 3, 4]].map((target) => ({ prompt: PROMPT, target, edit }))
  const asked = edited(model, edit)
  const shared = asked.score(items.map(({ prompt, target }) => ({ prompt, target, under: edit })))
  expect(shared[0]!.argmax).toEqual(said)
})

test('it is stored and read again, and what does not fit is refused', () => {
  const dir = mkdtempSync(join(tmpdir(), 'bench-codebook-'))
  const edit = editOf(part())
  saveEdit(join(dir, 'edit'), edit, { name: 'x', hash: 'y' })
  expect(loadEdit(join(dir, 'edit')).edit.parts).toEqual(edit.parts)
  rmSync(dir, { recursive: true })
  const refused = (change: Partial<CodebookPart>) => expect(() => edited(model, editOf(part(change))))
  refused({ site: 'layers.1.mlp' }).toThrow('is at a site this model does not have')
  refused({ out: 3 }).toThrow('is for a weight of [3, 128]')
  refused({ radii: new Float32Array(2) }).toThrow('has other numbers than 1 entries want')
  refused({ numbers: [0, 0] }).toThrow('not each once and in order')
  refused({ radii: Float32Array.of(Number.NaN) }).toThrow('not finite')
})
