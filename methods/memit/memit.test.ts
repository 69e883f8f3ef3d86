import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { combined, type Edit, type EditRequest, edited } from '../../harness/edit'
import { type LanguageModel, openModel, readSafetensorsHeader, readTensor } from '../../harness/model'
import { useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { alphaedit, alphaeditHyperparameters } from '../alphaedit'
import { nullSpace } from '../alphaedit/null-space'
import { contextOf } from '../context'
import { emmet, emmetHyperparameters } from '../emmet'
import { SecondMoment } from '../locate/second-moment'
import type { EditContext } from '../types'
import { memit, memitHyperparameters } from '.'
import expected from './golden/expected.json'

/** Compared with the official code of MEMIT, EMMET and AlphaEdit on the same checkpoint, texts and second moments (golden/make.py). */

let model: LanguageModel
let moments: SecondMoment[]
let cacheDir: string
let deltas: ReturnType<typeof readSafetensorsHeader>['tensors']
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  cacheDir = mkdtempSync(join(tmpdir(), 'bench-memit-'))
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
  const stored = readSafetensorsHeader(join(__dirname, 'golden/moments.safetensors')).tensors
  deltas = readSafetensorsHeader(join(__dirname, 'golden/deltas.safetensors')).tensors
  moments = expected.layers.map(
    (layer) => new SecondMoment(Float64Array.from(readTensor(`C${layer}`, stored.get(`C${layer}`)!)), 128)
  )
})
afterAll(() => {
  model.dispose()
  rmSync(cacheDir, { recursive: true, force: true })
})

const requestsOf = (facts: readonly number[]): EditRequest[] =>
  facts.map((i) => {
    const { prompt, subject, target } = expected.facts[i]!
    return { prompt: prompt.replace('{}', subject), subject, target }
  })

/** What an edit adds to W_proj of a block. */
function deltaOf({ parts }: Edit, layer: number): Float32Array {
  const part = parts.find((p) => p.site === `layers.${layer}.mlp.proj`)
  if (part?.kind === 'dense') return part.delta
  if (part?.kind !== 'low-rank') throw new Error(`no part at block ${layer}`)
  const { u, v, rank, out, in: width } = part
  return tf.tidy(
    () => tf.matMul(tf.tensor2d(u, [out, rank]), tf.tensor2d(v, [width, rank]), false, true).dataSync() as Float32Array
  )
}

const differs = (got: ArrayLike<number>, wanted: ArrayLike<number>): number =>
  norm(Float64Array.from(got, (x, i) => x - wanted[i]!)) / norm(wanted)

function compare(edit: Edit, names: readonly string[], most: number): void {
  for (const [i, name] of names.entries())
    expect([name, differs(deltaOf(edit, expected.layers[i]!), readTensor(name, deltas.get(name)!)) < most]).toEqual([
      name,
      true
    ])
}

const common = (c: { v_weight_decay: number; clamp_norm_factor: number; kl_factor: number; v_lr: number }) => {
  const { v_weight_decay, clamp_norm_factor, kl_factor, v_lr } = c
  return { layers: expected.layers, v_weight_decay, clamp_norm_factor, kl_factor, v_lr }
}

async function all<T>(edits: AsyncIterable<readonly T[]>): Promise<T[]> {
  const found: T[] = []
  for await (const some of edits) found.push(...some)
  return found
}

const runMemit = (
  groups: readonly (readonly EditRequest[])[],
  c: (typeof expected.memit)[number],
  layers = expected.layers
) =>
  all(
    memit.edit(
      model,
      groups,
      memitHyperparameters.parse({ ...common(c), layers, mom2_update_weight: c.mom2_update_weight }),
      contextOf(),
      { contexts: expected.templates, moments, layers }
    )
  )

describe('MEMIT', () => {
  test.each(expected.memit.map((c, i) => [i, c] as const))(
    'golden %i: the change of every block is that of the official code',
    async (_, c) => {
      const [edit] = await runMemit([requestsOf(c.facts)], c)
      compare(edit!, c.deltas, 5e-3)
      if (c.facts.length === 1) expect(differs(edit!.diagnostics.lossCurve!, c.losses)).toBeLessThan(1e-3)
    }
  )

  test('groups that run together have the edits they have alone', async () => {
    const c = expected.memit[0]!
    const groups = [[0], [1], [2, 3], [4]].map(requestsOf)
    const together = await runMemit(groups, c)
    for (const [i, group] of groups.entries()) {
      const [alone] = await runMemit([group], c)
      for (const layer of expected.layers)
        expect(differs(deltaOf(together[i]!, layer), deltaOf(alone!, layer))).toBeLessThan(1e-4)
      expect(together[i]!.requests).toEqual(group)
    }
  })

  test('what was found of some facts before is not sought again', async () => {
    const [c, facts] = [expected.memit[0]!, requestsOf([0, 1, 2])]
    const h = memitHyperparameters.parse({ ...common(c), mom2_update_weight: c.mom2_update_weight })
    const prepared = { contexts: expected.templates, moments, layers: expected.layers }
    const streams = memit.find!(model, facts, h, prepared)
    const edit = (found: EditContext['found']) =>
      all(memit.edit(model, [facts], h, { ...contextOf(), ...(found && { found }) }, prepared))
    const [whole] = await edit(undefined)
    const [partly] = await edit((r) => (r === facts[1] ? undefined : streams[facts.indexOf(r)]))
    const [nothing] = await edit((r) => ({ ...streams[facts.indexOf(r)]!, delta: new Float32Array(model.config.dim) }))
    for (const layer of expected.layers) {
      expect(differs(deltaOf(partly!, layer), deltaOf(whole!, layer))).toBeLessThan(1e-4)
      expect(differs(deltaOf(nothing!, layer), deltaOf(whole!, layer))).toBeGreaterThan(0.5)
    }
    expect(partly!.diagnostics.flops).toBe(whole!.diagnostics.flops)
  })

  test('the stream at the subjects arrives where it should, the more the less a change costs', async () => {
    const missing = async (mom2_update_weight: number) => {
      const c = { ...expected.memit[0]!, mom2_update_weight }
      const [edit] = await runMemit([requestsOf([0])], c)
      return lossUnder(edit!)
    }
    const before = await lossUnder(undefined)
    const [dear, cheap] = [await missing(1e6), await missing(1e-3)]
    expect(dear).toBeGreaterThan(before - 0.01)
    expect(cheap).toBeLessThan(before - 0.1)
  })

  async function lossUnder(edit: Edit | undefined): Promise<number> {
    const [{ prompt, target }] = requestsOf([0]) as [EditRequest]
    const under = edit === undefined ? model : edited(model, edit)
    const ids = model.tokenizer.encode(` ${target}`)
    const { nll } = under.score([{ prompt, target: ids }])[0]!
    if (under !== model) under.dispose()
    return nll.reduce((a, b) => a + b, 0) / nll.length
  }

  test('many facts are one dense change, the same as a product of many vectors', async () => {
    const many = Array.from({ length: 40 }, (_, i) => {
      const subject = `${['Paris', 'Rome', 'The zebra', 'café'][i % 4]} ${i}`
      return { prompt: `The cat of ${subject} is`, subject, target: i % 2 === 0 ? 'black' : 'white' }
    })
    const c = { ...expected.memit[0]!, v_num_grad_steps: 2 }
    const h = memitHyperparameters.parse({ ...common(c), layers: [1], v_num_grad_steps: 2, mom2_update_weight: 20 })
    const run = (facts: readonly EditRequest[]) =>
      all(memit.edit(model, [facts], h, contextOf(), { contexts: expected.templates, moments, layers: [1] }))
    const [[dense], [few]] = [await run(many), await run(many.slice(0, 3))]
    expect(dense!.parts[0]!.kind).toBe('dense')
    expect(few!.parts[0]!.kind).toBe('low-rank')
    expect(dense!.diagnostics.lossCurve).toBeUndefined()
  })
})

describe('EMMET', () => {
  test.each(expected.emmet.map((c) => [c.facts.length, c] as const))(
    'golden, %i facts: the change of every block is that of the official code',
    async (_, c) => {
      const { mom2_update_weight, emmet_lambda } = c
      const h = emmetHyperparameters.parse({ ...common(c), mom2_update_weight, emmet_lambda })
      const prepared = { contexts: expected.templates, moments, layers: expected.layers }
      const [edit] = await all(emmet.edit(model, [requestsOf(c.facts)], h, contextOf(), prepared))
      compare(edit!, c.deltas, 5e-3)
    }
  )
})

describe('AlphaEdit', () => {
  const c = expected.alphaedit
  const h = () => alphaeditHyperparameters.parse({ ...common(c), nullspace_threshold: c.nullspace_threshold, L2: c.L2 })
  const prepared = () => {
    const spaces = moments.map((C, i) => nullSpace(C, `site ${i}`, c.nullspace_threshold, contextOf({ cacheDir })))
    return { contexts: expected.templates, spaces, layers: expected.layers }
  }
  const edit = (under: LanguageModel, groups: readonly (readonly EditRequest[])[], context: EditContext) =>
    all(alphaedit.edit(under, groups, h(), context, prepared()))

  /** The edits of some batches, each on top of those before. */
  async function sequence(batches: readonly (readonly number[])[]) {
    let soFar: Edit | undefined
    const edits: Edit[] = []
    for (const facts of batches) {
      const under = soFar === undefined ? model : edited(model, soFar)
      const context = { ...contextOf(), goesOn: true as const, ...(soFar === undefined ? {} : { before: soFar }) }
      const [own] = await edit(under, [requestsOf(facts)], context)
      edits.push(own!)
      soFar = combined(soFar, own!)
      if (under !== model) under.dispose()
    }
    return { edits, soFar: soFar! }
  }

  test('golden: the null spaces have as many directions', () => {
    expect(prepared().spaces.map((s) => s.size)).toEqual(c.small)
  })

  test('golden: three batches on top of each other, and the keys that are carried', async () => {
    const { edits, soFar } = await sequence(c.batches.map((b) => b.facts))
    for (const [i, batch] of c.batches.entries()) compare(edits[i]!, batch.deltas, 2e-2)
    // What is carried is projected: the official cache is not, so that only what it does can be compared. All facts are there.
    for (const layer of expected.layers) expect(soFar.carry![`keys.${layer}`]!.shape).toEqual([6, 128])
  })

  test('the keys of earlier edits count in a sequence, and never between independent edits', async () => {
    const { edits } = await sequence([
      [0, 1],
      [2, 3]
    ])
    const under = edited(model, edits[0]!)
    const [forgetful] = await edit(under, [requestsOf([2, 3])], contextOf())
    under.dispose()
    expect(differs(deltaOf(forgetful!, 2), deltaOf(edits[1]!, 2))).toBeGreaterThan(1e-2)
    const groups = [requestsOf([0, 1]), requestsOf([2, 3])]
    const together = await edit(model, groups, contextOf())
    const [alone] = await edit(model, [groups[1]!], contextOf())
    for (const layer of expected.layers)
      expect(differs(deltaOf(together[1]!, layer), deltaOf(alone!, layer))).toBeLessThan(1e-4)
    expect(together[0]!.carry).toBeUndefined()
  })

  test('what is carried is the same after it was stored', async () => {
    const { edits } = await sequence([[0, 1]])
    const [first] = edits
    const carry = Object.fromEntries(
      Object.entries(first!.carry!).map(([name, { shape, data }]) => [name, { shape, data: data.slice() }])
    )
    const under = edited(model, first!)
    const next = (before: Edit) => edit(under, [requestsOf([2, 3])], { ...contextOf(), before })
    const [[known], [read]] = [await next(first!), await next({ ...first!, carry })]
    under.dispose()
    expect(differs(deltaOf(read!, 2), deltaOf(known!, 2))).toBeLessThan(1e-6)
  })

  test('a threshold that leaves nothing, or all, is refused with the eigenvalues there are', () => {
    const space = (threshold: number) => nullSpace(moments[0]!, 'layers.1.mlp.proj', threshold, contextOf({ cacheDir }))
    expect(() => space(1e-9)).toThrow(/no direction that the corpus leaves free/)
    expect(() => space(1e9)).toThrow(expect.objectContaining({ hint: expect.stringMatching(/eigenvalues .* go from/) }))
  })
})
