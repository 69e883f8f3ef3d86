import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { combined, type Edit, type EditRequest, edited, type LowRankPart } from '../../harness/edit'
import { encodeTarget, type LanguageModel, openModel, readSafetensorsHeader, readTensor } from '../../harness/model'
import { matmulFlops, useBackend } from '../../harness/tensor'
import { dot, norm } from '../../harness/tensor/linalg'
import { contextOf, editAll } from '../context'
import { contextTemplates } from '../locate/contexts'
import { factOf } from '../locate/facts'
import { SecondMoment } from '../locate/second-moment'
import { rome } from '.'
import expected from './golden/expected.json'
import { type RomeHyperparameters, romeHyperparameters } from './hyperparameters'

/** Compared with the official code of ROME and r-ROME on the same checkpoint, texts and second moment (golden/make.py). */

type Case = (typeof expected.cases)[number]
let model: LanguageModel
let moment: SecondMoment

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
  const { tensors } = readSafetensorsHeader(join(__dirname, 'golden/second-moment.safetensors'))
  moment = new SecondMoment(Float64Array.from(readTensor('C', tensors.get('C')!)), 128)
})
afterAll(() => model.dispose())

async function editFacts(
  facts: readonly EditRequest[],
  h: RomeHyperparameters,
  contexts: readonly string[],
  C: SecondMoment | undefined
): Promise<Edit[]> {
  const edits: Edit[] = []
  const groups = facts.map((fact) => [fact])
  for await (const some of rome.edit(model, groups, h, contextOf(), { contexts, C, layer: h.layer as number }))
    edits.push(...some)
  return edits
}

const request = (c: Case) => ({
  prompt: c.prompt.replace('{}', c.subject),
  subject: c.subject,
  target: c.target.trim()
})

function hyperparameters({
  key,
  layer,
  v_weight_decay,
  clamp_norm_factor,
  kl_factor,
  v_lr
}: Case): RomeHyperparameters {
  return romeHyperparameters.parse({ key, layer, v_weight_decay, clamp_norm_factor, kl_factor, v_lr })
}

function compare(got: ArrayLike<number>, wanted: readonly number[]): { cosine: number; relativeError: number } {
  const difference = wanted.map((x, i) => got[i]! - x)
  return { cosine: dot(got, wanted) / (norm(got) * norm(wanted)), relativeError: norm(difference) / norm(wanted) }
}

describe.each(expected.cases.map((c, i) => [`${i}: ${c.key}, layer ${c.layer}, '${c.subject}'`, c] as const))(
  'golden %s',
  (_, c) => {
    test('subject position, loss curve, key direction and update are those of the official code', async () => {
      const [row] = factOf(model.tokenizer, expected.templates, request(c)).contexts
      expect(row!.subject).toBe(c.lookup)
      const [edit] = await editFacts([request(c)], hyperparameters(c), expected.templates, moment)
      const curve = edit!.diagnostics.lossCurve!
      expect(curve).toHaveLength(c.losses.length)
      for (const [step, loss] of c.losses.entries()) expect(Math.abs(curve[step]! - loss)).toBeLessThan(1e-2 * loss)
      expect(Math.abs(edit!.diagnostics.values!.nll! - c.nll.at(-1)!)).toBeLessThan(1e-2 * c.nll.at(-1)!)
      const [part] = edit!.parts
      if (part?.kind !== 'low-rank') throw new Error('ROME makes low-rank edits')
      expect(part.site).toBe(`layers.${c.layer}.mlp.proj`)
      const left = compare(part.v, c.left)
      const right = compare(part.u, c.right)
      expect(left.cosine).toBeGreaterThan(0.999)
      expect(left.relativeError).toBeLessThan(1e-2)
      expect(right.cosine).toBeGreaterThan(0.999)
      expect(right.relativeError).toBeLessThan(1e-2)
    })
  }
)

test.each(expected.sequences.map((q) => [q.key, q] as const))(
  'golden sequence, key %s: edits on top of each other are those of the official code',
  async (key, { edits }) => {
    let soFar: Edit | undefined
    for (const c of edits) {
      const under = soFar === undefined ? model : edited(model, soFar)
      const h = hyperparameters({ ...c, key })
      const groups = [[request({ ...c, key })]]
      for await (const [edit] of rome.edit(under, groups, h, contextOf(), {
        contexts: expected.templates,
        C: moment,
        layer: h.layer as number
      })) {
        const curve = edit!.diagnostics.lossCurve!
        expect(curve).toHaveLength(c.losses.length)
        for (const [step, loss] of c.losses.entries()) expect(Math.abs(curve[step]! - loss)).toBeLessThan(1e-2 * loss)
        const part = edit!.parts[0] as LowRankPart
        for (const [got, wanted] of [
          [part.v, c.left],
          [part.u, c.right]
        ] as const) {
          const { cosine, relativeError } = compare(got, wanted)
          expect(cosine).toBeGreaterThan(0.999)
          expect(relativeError).toBeLessThan(2e-2)
        }
        soFar = combined(soFar, edit!)
      }
      if (under !== model) under.dispose()
    }
    // A sum of rank one each, at one site.
    expect(soFar!.parts).toEqual([expect.objectContaining({ kind: 'low-rank', rank: edits.length })])
    // The others would not be found without those before.
    const [, second] = edits
    const [alone] = await editFacts(
      [request({ ...second!, key })],
      hyperparameters({ ...second!, key }),
      expected.templates,
      moment
    )
    expect(Math.abs(alone!.diagnostics.lossCurve![0]! - second!.losses[0]!)).toBeGreaterThan(0.1)
  }
)

describe('edits of several facts', () => {
  const some = () => expected.cases.filter((c) => c.key === 'mean' && c.layer === 1 && c.v_lr === 0.5)

  test('computed together are those computed alone', async () => {
    const h = hyperparameters(some()[0]!)
    const together = await editFacts(some().map(request), h, expected.templates, moment)
    for (const [i, c] of some().entries()) {
      const [alone] = await editFacts([request(c)], h, expected.templates, moment)
      for (const name of ['u', 'v'] as const) {
        const [a, b] = [together[i]!, alone!].map((e) => (e.parts[0] as { u: Float32Array; v: Float32Array })[name])
        expect(compare(a!, [...b!]).relativeError).toBeLessThan(1e-3)
      }
    }
  })

  test('stop one by one, each as it would alone', async () => {
    const edits = await editFacts(some().map(request), hyperparameters(some()[0]!), expected.templates, moment)
    const curves = edits.map((e) => e.diagnostics.lossCurve!)
    // Between the losses of the facts: some stop at once, some never.
    const stop_loss = curves.map((c) => Math.min(...c)).sort((a, b) => a - b)[1]! + 1e-6
    const h = { ...hyperparameters(some()[0]!), stop_loss }
    const start = matmulFlops()
    const together = await editFacts(some().map(request), h, expected.templates, moment)
    const spent = matmulFlops() - start
    await editFacts(some().map(request), { ...h, stop_loss: 0 }, expected.templates, moment)
    // Those that are done cost nothing more.
    expect(spent / (matmulFlops() - start - spent)).toBeLessThan(0.95)
    const lengths = together.map((e) => e.diagnostics.lossCurve!.length)
    expect(Math.min(...lengths)).toBeLessThan(20)
    expect(Math.max(...lengths)).toBe(20)
    for (const [i, c] of some().entries()) {
      const [alone] = await editFacts([request(c)], h, expected.templates, moment)
      expect(alone!.diagnostics.lossCurve!.length).toBe(lengths[i])
    }
  })

  test('leave no tensor and no buffer behind, and the weights as they were', async () => {
    const run = () => editFacts(some().map(request), hyperparameters(some()[0]!), expected.templates, moment)
    const hash = model.weightsHash()
    await run()
    const memory = () => {
      const { numTensors, numDataBuffers, liveBytes } = tf.memory() as tf.MemoryInfo & { liveBytes: number }
      return { numTensors, numDataBuffers, liveBytes }
    }
    const before = memory()
    await run()
    expect(memory()).toEqual(before)
    expect(model.weightsHash()).toBe(hash)
  })
})

test('a block the model does not have is a mistake of the user', () => {
  const h = romeHyperparameters.parse({ layer: 9, mom2_adjustment: false })
  expect(() => rome.check!(model.config, h)).toThrow('no block 9')
})

test('without a corpus the second moment is refused with the ways out', async () => {
  const h = romeHyperparameters.parse({ layer: 1 })
  const prepared = editAll(rome, model, [], h)
  await expect(prepared).rejects.toMatchObject({ hint: expect.stringContaining('mom2_adjustment: false') })
})

describe('rows', () => {
  it('count what the tokenizer puts before a prompt, and place the subject where the record says', () => {
    const { tokenizer } = model
    const bos = { ...tokenizer, prefix: [7] }
    const fact = { prompt: 'Ada and Ada is', subject: 'Ada', target: 'B' }
    const rows = (tk: typeof tokenizer, at?: number) => {
      const { contexts, drift } = factOf(tk, ['{}', 'Then. {}'], at === undefined ? fact : { ...fact, subjectAt: at })
      return [...contexts, drift]
    }
    const subjects = (tk: typeof tokenizer, at?: number) => rows(tk, at).map((r) => r.subject)
    const [plain, prefixed, first] = [subjects(tokenizer), subjects(bos), subjects(tokenizer, 0)]
    expect(prefixed).toEqual(plain.map((place) => place + 1))
    for (const row of rows(bos)) expect(row.ids[0]).toBe(7)
    // The drift is read after the bare subject; both templates move the place by the same tokens.
    expect(first[2]).toBe(plain[2])
    expect(first[0]!).toBeLessThan(plain[0]!)
    expect(plain[0]! - first[0]!).toBe(plain[1]! - first[1]!)
  })
})

describe('context templates', () => {
  it('are the bare prompt, then texts the model makes up, as many as asked', () => {
    const h = romeHyperparameters.parse({
      layer: 1,
      context_template_length_params: [
        [3, 2],
        [16, 1]
      ]
    })
    const said: string[] = []
    const templates = contextTemplates(
      model,
      h,
      contextOf({ onSetup: (what, how) => void said.push(`${what} ${how}`) })
    )
    expect(templates).toHaveLength(4)
    expect(templates[0]).toBe('{}')
    for (const template of templates.slice(1)) expect(template).toMatch(/^[^{}]+\. \{\}$/s)
    expect(new Set(templates).size).toBe(4)
    expect(said).toEqual(['context templates computed'])
  })

  it('all have a say in the edit', async () => {
    const c = expected.cases[0]!
    const [alone] = await editFacts([request(c)], hyperparameters(c), ['{}'], moment)
    const [all] = await editFacts([request(c)], hyperparameters(c), expected.templates, moment)
    const [a, b] = [alone!, all!].map((e) => (e.parts[0] as { v: Float32Array }).v)
    expect(compare(a!, [...b!]).relativeError).toBeGreaterThan(1e-2)
  })
})

describe('what an edit costs', () => {
  it('are the matrix FLOPs that were spent, where nothing is padded', async () => {
    // Prompt and subject are one text and the target is one token: all rows have one length.
    const fact = { prompt: 'The zebra', subject: 'The zebra', target: 'a' }
    const h = romeHyperparameters.parse({ layer: 1, v_num_grad_steps: 4, stop_loss: 0 })
    expect(encodeTarget(model.tokenizer, 'a')).toHaveLength(1)
    const before = matmulFlops()
    const [edit] = await editFacts([fact], h, ['{}'], undefined)
    expect(edit!.diagnostics.flops! / (matmulFlops() - before)).toBeCloseTo(1, 6)
  })

  it('is its own, the same alone or in company', async () => {
    const some = expected.cases.filter((c) => c.key === 'mean' && c.layer === 1 && c.v_lr === 0.5)
    const h = hyperparameters(some[0]!)
    const together = await editFacts(some.map(request), h, expected.templates, moment)
    for (const [i, c] of some.entries()) {
      const [alone] = await editFacts([request(c)], h, expected.templates, moment)
      expect(together[i]!.diagnostics.flops).toBe(alone!.diagnostics.flops)
    }
  })

  it('is not more in company: facts of unlike lengths, where company costs no padding', async () => {
    const tail = ' is very much'
    const facts = Array.from({ length: 24 }, (_, i) => ({
      prompt: `The zebra${tail.repeat(i % 8 === 0 ? 3 : 0)} eats`,
      subject: 'zebra',
      target: 'grass'
    }))
    const h = romeHyperparameters.parse({ layer: 1, v_num_grad_steps: 4, stop_loss: 0 })
    const spent = async (sets: readonly EditRequest[][]) => {
      const before = matmulFlops()
      for (const set of sets) await editFacts(set, h, expected.templates, undefined)
      return matmulFlops() - before
    }
    const alone = await spent(facts.map((fact) => [fact]))
    expect((await spent([facts])) / alone).toBeLessThan(1.1)
  })
})
