import { join } from 'node:path'
import { combined, type Edit, edited } from '../../harness/edit'
import type { CodebookPart } from '../../harness/edit/kinds/codebook'
import { encodeTarget, type LanguageModel, openModel } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { contextOf, editAll } from '../context'
import { grace, graceHyperparameters } from '.'
import { placed } from './book'
import expected from './golden/expected.json'

/** Compared with Thartvigsen/GRACE on the same checkpoints (golden/make.py). */

const GOLDEN = join(__dirname, '../../harness/model/golden')

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

const requests = expected.facts.map(({ prompt, subject, target }) => ({ prompt, subject, target: target.trim() }))
type Setting = (typeof expected.settings)[number]
const hyperparametersOf = ({ layer, site, eps, eps_expand, edit_lr, n_iter, replacement }: Setting) =>
  graceHyperparameters.parse({
    layer,
    module: site,
    eps,
    eps_expand,
    edit_lr,
    n_iter,
    replacement,
    val_init: 'warm'
  })

/** Each fact on top of those before. */
async function chain(model: LanguageModel, setting: Setting): Promise<{ edit: Edit; soFar: Edit }[]> {
  const steps: { edit: Edit; soFar: Edit }[] = []
  for (const request of requests) {
    const before = steps.at(-1)?.soFar
    const asked = before === undefined ? model : edited(model, before)
    const context = { ...contextOf(), goesOn: true as const, ...(before === undefined ? {} : { before }) }
    const [edit] = await editAll(grace, asked, [[request]], hyperparametersOf(setting), context)
    steps.push({ edit: edit!, soFar: combined(before, edit!) })
  }
  return steps
}

const bookOf = ({ parts }: Edit) => parts[0] as CodebookPart

describe.each(expected.settings.map((s) => [s.model, s.site, s.replacement, s] as const))(
  'golden, %s at %s, %s',
  (_model, _site, _replacement, setting) => {
    let model: LanguageModel
    let steps: { edit: Edit; soFar: Edit }[]
    beforeAll(async () => {
      model = await openModel(join(GOLDEN, setting.model))
      steps = await chain(model, setting)
    })
    afterAll(() => model.dispose())

    test('facts go where the official code puts them: new entries, split ones, grown ones', () => {
      for (const [i, { edit, soFar }] of steps.entries()) {
        const official = setting.edits[i]!
        const book = bookOf(soFar)
        expect([edit.diagnostics.values!.entry, book.entries]).toEqual([official.entry, official.entries])
        for (const [j, radius] of official.radii.entries()) expect(book.radii[j]).toBeCloseTo(radius, 3)
      }
      expect(bookOf(steps.at(-1)!.soFar).numbers).toEqual([0, 1, 2, 3])
    })

    test('losses and values are those of the official code', () => {
      for (const [i, { edit, soFar }] of steps.entries()) {
        const official = setting.edits[i]!
        for (const [j, loss] of official.losses.entries())
          expect(edit.diagnostics.lossCurve![j]! / loss).toBeCloseTo(1, 3)
        const { out, values } = bookOf(soFar)
        // Neurons that hardly act have gradients of which Adam sees little but the sign.
        const value = values.subarray(official.entry * out, (official.entry + 1) * out)
        expect(norm(value.map((x, j) => x - official.value[j]!)) / norm(official.value)).toBeLessThan(
          setting.site === 'fc' ? 2e-2 : 2e-3
        )
      }
    })

    test('the edited model answers as the official one', () => {
      const target = encodeTarget(model.tokenizer, 'black and white')
      const nllsOf = (asked: LanguageModel) =>
        asked.score(setting.asked.map(({ prompt }) => ({ prompt, target }))).map(({ nll }) => nll)
      const [before, after] = [nllsOf(model), nllsOf(edited(model, steps.at(-1)!.soFar))]
      for (const [i, { nll, edge }] of setting.asked.entries()) {
        // The official code may lose a fact at the very edge of its radius; ours reaches a hair farther.
        if (edge) expect(after[i]![0]).not.toBeCloseTo(before[i]![0]!, 1)
        else for (const [j, x] of nll.entries()) expect(after[i]![j]).toBeCloseTo(x, 2)
      }
      expect(setting.asked.filter(({ edge }) => !edge).length).toBeGreaterThanOrEqual(10)
    })
  }
)

describe('where a fact goes', () => {
  const part: CodebookPart = {
    kind: 'codebook',
    site: 'layers.0.mlp.proj',
    replacement: 'replace_last',
    entries: 2,
    in: 2,
    out: 1,
    numbers: [0, 1],
    keys: Float32Array.of(0, 0, 10, 0),
    values: Float32Array.of(5, 6),
    radii: Float32Array.of(1, 2)
  }
  const book = { part, labels: [[7], [8, 9]] }
  const at = (x: number, target: number[], eps_expand: 'coverage' | 'moving_average' = 'coverage') =>
    placed(book, Float32Array.of(x, 0), target, { eps: 1, eps_expand })

  test('far from all it is new', () => {
    expect(at(-2.5, [7])).toMatchObject({ entry: 2, radius: 1 })
    expect(at(13.5, [8, 9]).value).toBeUndefined()
    expect(
      placed({ part: undefined, labels: [] }, Float32Array.of(1), [1], { eps: 3, eps_expand: 'coverage' })
    ).toEqual({ entry: 0, key: Float32Array.of(1), radius: 3 })
  })

  test('near one of its target it joins it', () => {
    expect(at(0.5, [7])).toMatchObject({ entry: 0, radius: 1, value: Float32Array.of(5) })
    expect(at(1.5, [7])).toMatchObject({ entry: 0, key: Float32Array.of(0, 0) })
    // Wide enough to hold it when it is computed in other company.
    expect(at(1.5, [7]).radius).toBeGreaterThan(1.5)
    expect(at(1.5, [7]).radius).toBeCloseTo(1.5, 3)
    expect(at(1.5, [7], 'moving_average')).toMatchObject({ entry: 0, key: Float32Array.of(0.75, 0) })
  })

  test('near one of another target they share the way between them', () => {
    expect(at(11, [7])).toMatchObject({ entry: 2, radius: 0.5, shrunk: { entry: 1, radius: 0.5 - 1e-5 } })
    expect(at(11, [9, 8])).toMatchObject({ entry: 2 })
  })

  test('at the very place of one of another target it takes that place', () => {
    const there = at(10, [7])
    expect(there).toMatchObject({ entry: 1, radius: 2 })
    expect(there.value).toBeUndefined()
    expect(there.shrunk).toBeUndefined()
  })
})

test('a fact that takes another target in the same words is answered with the last one', async () => {
  const model = await openModel('gptj-mini')
  const h = graceHyperparameters.parse({ layer: 5, n_iter: 60 })
  const fact = (target: string) => ({ prompt: 'Dario Brosot comes from', subject: 'Dario Brosot', target })
  const [first] = await editAll(grace, model, [[fact('Fort Loville')]], h, { ...contextOf(), goesOn: true } as never)
  const context = { ...contextOf(), goesOn: true as const, before: first! }
  const [second] = await editAll(grace, edited(model, first!), [[fact('Saint Treburg')]], h, context)
  const soFar = combined(first, second!)
  expect(bookOf(soFar).entries).toBe(1)
  const answer = (edit: Edit) => {
    const [ids] = edited(model, edit).generate([{ prompt: fact('').prompt }], { maxNewTokens: 6 })
    return model.tokenizer.decode(ids!).trim()
  }
  expect(answer(first!)).toMatch(/^Fort Loville/)
  expect(answer(soFar)).toMatch(/^Saint Treburg/)
  model.dispose()
})

test('a prefix that is run before its prompt ends is not looked up', async () => {
  const model = await openModel(join(GOLDEN, 'gptj'))
  const h = graceHyperparameters.parse({ layer: 1, n_iter: 3 })
  const ofPrefix = { prompt: 'The cat of', subject: 'The cat', target: 'zebra' }
  const longer = { prompt: 'The cat of Rome is', subject: 'Rome', target: 'black' }
  const [before] = await editAll(grace, model, [[ofPrefix]], h, { ...contextOf(), goesOn: true } as never)
  // As far as the edit before can tell, any prompt is its own; the last token of this one is not.
  const everywhere = (part: CodebookPart): CodebookPart => ({ ...part, radii: Float32Array.of(1e6) })
  const book = { ...before!, parts: before!.parts.map((p) => everywhere(p as CodebookPart)) }
  const [beside] = await editAll(grace, edited(model, book), [[longer]], h)
  const [alone] = await editAll(grace, model, [[longer]], h)
  const losses = (edit: Edit | undefined) => edit!.diagnostics.lossCurve!.map((x) => x.toFixed(4))
  expect(losses(beside)).toEqual(losses(alone))
  model.dispose()
})
