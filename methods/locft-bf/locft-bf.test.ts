import { join } from 'node:path'
import type { DensePart, EditRequest } from '../../harness/edit'
import { type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { contextOf } from '../context'
import { fineTune } from '../fine-tuning/fine-tune'
import { fineTuningHyperparameters } from '../fine-tuning/hyperparameters'
import { locftBf } from '.'
import expected from './golden/expected.json'

/** Compared with the official code on the same checkpoint (golden/make.py). */

let model: LanguageModel
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
})
afterAll(() => model.dispose())

const requests = expected.facts.map(
  ([prompt, target]): EditRequest => ({ prompt: prompt!, subject: prompt!, target: target! })
)

test.each(expected.cases.map((c) => [c.batch_size, c] as const))(
  'golden, batches of %i: losses of every epoch, and the change, are those of the official code',
  (_, c) => {
    const h = fineTuningHyperparameters('target_new', false).parse({
      layers: [c.layer],
      lr: c.lr,
      num_steps: c.num_steps,
      batch_size: c.batch_size
    })
    // In the order of the file, as there.
    const edit = fineTune('locft-bf', model, requests, h, { ends: true })
    const losses = edit.diagnostics.lossCurve!
    expect(losses).toHaveLength(c.losses.length)
    // Printed to four digits.
    for (const [i, loss] of c.losses.entries()) expect(Math.abs(losses[i]! - loss)).toBeLessThan(2e-4 + 2e-3 * loss)
    const { delta } = edit.parts[0] as DensePart
    expect(norm(delta) / c.norm).toBeCloseTo(1, 2)
    const shown = c.shown.map((_, i) => delta[41 * i]!)
    expect(norm(shown.map((x, i) => x - c.shown[i]!)) / norm(c.shown)).toBeLessThan(2e-2)
  }
)

test('more facts than a batch are put into another order at every pass, by the seed', async () => {
  const h = locftBf.hyperparameters.parse({ layers: [1], batch_size: 2, num_steps: 3, lr: 5e-3 })
  const run = async (seed: number) => {
    const edits = []
    for await (const some of locftBf.edit(model, [requests], h, { ...contextOf(), seed }, undefined))
      edits.push(...some)
    return edits[0]!.diagnostics.lossCurve!
  }
  const [a, b, c] = [await run(0), await run(0), await run(1)]
  expect(a).toEqual(b)
  expect(a).not.toEqual(c)
})
