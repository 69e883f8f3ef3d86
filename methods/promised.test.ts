import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { edited } from '../harness/edit'
import { encodeTarget, openModel } from '../harness/model'
import { useBackend } from '../harness/tensor'
import { calinet, calinetHyperparameters } from './calinet'
import { contextOf, editAll } from './context'
import { grace, graceHyperparameters } from './grace'
import { tPatcher, tPatcherHyperparameters } from './t-patcher'
import type { Corpus, EditingMethod } from './types'

/*
 * What methods train beside a model runs a part of it. On every architecture the loss that they see at a step must be that of the whole model under the edit as it
 * was before that step: of the edit that training comes to which ends there.
 */

const GOLDEN = join(__dirname, '../harness/model/golden')
const NAMES = readdirSync(GOLDEN, { withFileTypes: true }).flatMap((f) => (f.isDirectory() ? [f.name] : []))

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

const TEXTS = Array.from({ length: 12 }, (_, i) => `The zebra ${i} of Paris is black and white, and it likes grass.`)
const corpus: Corpus = { id: 'texts', documents: () => TEXTS }
const request = { prompt: 'The cat of Rome is', subject: 'Rome', target: 'black and white' }
const STEPS = 3

const METHODS: readonly [string, EditingMethod, (steps: number) => unknown][] = [
  ['grace', grace as EditingMethod, (n_iter) => graceHyperparameters.parse({ layer: 1, n_iter })],
  [
    'grace, before the last token, into the neurons',
    grace as EditingMethod,
    (n_iter) => graceHyperparameters.parse({ layer: 0, module: 'fc', replacement: 'replace_prompt', n_iter })
  ],
  [
    't-patcher',
    tPatcher as EditingMethod,
    (max_edit_step) => tPatcherHyperparameters.parse({ max_edit_step, memory_tokens: 100, lr: 0.05 })
  ],
  ['calinet', calinet as EditingMethod, (max_steps) => calinetHyperparameters.parse({ max_steps, ex_size: 8 })]
]

describe.each(NAMES)('on %s', (name) => {
  test.each(METHODS)('%s sees the loss of the whole model', async (_, method, h) => {
    const model = await openModel(join(GOLDEN, name))
    const context = contextOf({ corpus })
    const [edit] = await editAll(method, model, [[request]], h(STEPS), context)
    const [further] = await editAll(method, model, [[request]], h(STEPS + 1), context)
    const target = encodeTarget(model.tokenizer, request.target)
    const lossOf = (nll: readonly number[]) => nll.reduce((a, b) => a + b, 0) / target.length
    const ask = (asked: Pick<typeof model, 'score'>) =>
      lossOf(asked.score([{ prompt: request.prompt, target }])[0]!.nll)
    const seen = further!.diagnostics.lossCurve![STEPS]!
    expect(ask(edited(model, edit!)) / seen).toBeCloseTo(1, 3)
    // And it is another one than without the edit.
    expect(Math.abs(ask(model) - seen)).toBeGreaterThan(1e-3)
    model.dispose()
  })
})
