import { join } from 'node:path'
import { findDataset, loadCases } from '../../datasets'
import { type EditPart, type EditRequest, edited } from '../../harness/edit'
import { kindOf } from '../../harness/edit/kinds'
import { encodeTarget, type LanguageModel, openModel, readSafetensorsHeader, readTensor } from '../../harness/model'
import { useBackend, valuesOf } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { answerRow } from '../answer-row'
import { contextOf } from '../context'
import type { Artifact, TrainingContext } from '../types'
import { mend, mendHyperparameters } from '.'
import { artifactOf, type Editor, newEditor } from './editor'
import { textOf } from './factors'
import expected from './golden/expected.json'
import { editorLoss } from './loss'

/** Compared with the official code on the same checkpoint (golden/make.py). */

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

const sines = (data: Float32Array, scale: number, shift: number, offset = 0) => {
  for (let i = 0; i < data.length; i++) data[i] = offset + scale * Math.sin(1.3 * i + shift)
}

describe('golden', () => {
  let model: LanguageModel
  let editor: Editor
  beforeAll(async () => {
    model = await openModel(join(__dirname, '../../harness/model/golden/gpt2'))
    editor = newEditor(model, expected.sites, expected.rank, 1e-4, 0)
    const of = (name: string) => editor.weights.get(name)!
    for (const [g, { name }] of editor.groups.entries())
      for (const layer of [0, 1]) {
        const k = 10 * g + layer
        sines(of(`${name}.${layer}.u`), 0.05, k)
        sines(of(`${name}.${layer}.v`), 1, k + 1)
        sines(of(`${name}.${layer}.bias`), 0.02, k + 2)
        sines(of(`${name}.${layer}.scale`), 0.1, k + 3, 1)
        sines(of(`${name}.${layer}.shift`), 0.02, k + 4)
      }
    of('lr').set([0.01, -0.02, 0.03, -0.04])
  })
  afterAll(() => model.dispose())

  test('what examples teach: losses, spreads, and the gradient of every weight', () => {
    const sums = new Map<string, Float32Array>()
    for (const [i, { prompt, target, asked, kept }] of expected.examples.entries()) {
      const said = encodeTarget(model.tokenizer, kept[1]!.trim())
      const example = {
        edit: answerRow(model, { prompt, target: target.trim() }),
        asked: answerRow(model, { prompt: asked, target: target.trim() }),
        kept: textOf(model, kept[0]!, said)
      }
      const { losses, gradients } = editorLoss(model, editor, [example], expected.sites, 1, expected, true)
      expect(losses.edit).toBeCloseTo(expected.steps[i]!.edit, 3)
      expect(losses.kept).toBeCloseTo(expected.steps[i]!.kept, 3)
      for (const [name, gradient] of gradients)
        sums.set(
          name,
          gradient.map((x, j) => x + (sums.get(name)?.[j] ?? 0))
        )
    }
    for (const { name } of editor.groups) {
      const { count, mean, squares } = editor.spreads.get(name)!
      const known = expected.spreads[name as keyof typeof expected.spreads]
      expect(count).toBe(known.count)
      expect(norm(mean) / known.mean).toBeCloseTo(1, 4)
      expect(norm(squares.map((s) => Math.sqrt(s / (count - 1)))) / known.std).toBeCloseTo(1, 4)
    }
    expect([...sums.keys()].sort()).toEqual(Object.keys(expected.gradients).sort())
    for (const [name, known] of Object.entries(expected.gradients)) {
      const sum = sums.get(name)!
      expect([name, (norm(sum) / known.norm).toFixed(2)]).toEqual([name, '1.00'])
      const stride = Math.max(1, Math.floor(sum.length / 12))
      for (const [i, x] of known.some.entries())
        expect(Math.abs(sum[i * stride]! - x)).toBeLessThan(2e-3 * (Math.abs(x) + known.norm / Math.sqrt(sum.length)))
    }
  })

  test('examples of one step have each their own edit: the loss is the mean of theirs', () => {
    const examples = expected.examples.map(({ prompt, target, asked, kept }) => ({
      edit: answerRow(model, { prompt, target: target.trim() }),
      asked: answerRow(model, { prompt: asked, target: target.trim() }),
      kept: textOf(model, kept[0]!, encodeTarget(model.tokenizer, kept[1]!.trim()))
    }))
    const lossOf = (some: typeof examples) =>
      editorLoss(model, editor, some, expected.sites, 1, expected, false).losses.total
    const each = examples.map((e) => lossOf([e]))
    expect(lossOf(examples)).toBeCloseTo(each.reduce((a, b) => a + b, 0) / 3, 3)
    expect(each[0]).not.toBeCloseTo(each[1]!, 2)
  })

  test('a new editor gives what it gets, and can learn at once', () => {
    const fresh = newEditor(model, expected.sites, expected.rank, 1e-4, 0)
    const { prompt, target, asked, kept } = expected.examples[0]!
    const example = {
      edit: answerRow(model, { prompt, target: target.trim() }),
      asked: answerRow(model, { prompt: asked, target: target.trim() }),
      kept: textOf(model, kept[0]!, [5, 6])
    }
    const { gradients } = editorLoss(model, fresh, [example], expected.sites, 1, expected, true)
    for (const { name } of fresh.groups) expect(norm(gradients.get(`${name}.0.u`)!)).toBeGreaterThan(0)
  })

  test('what the editor writes of two facts at once', async () => {
    const requests = expected.examples
      .slice(0, 2)
      .map(({ prompt, target }) => ({ prompt, subject: '', target: target.trim() }))
    const h = mendHyperparameters.parse({ edit_modules: expected.sites, rank: expected.rank })
    const prepared = await mend.prepare!(model, h, contextOf(), artifactOf(editor, {}))
    const edits = []
    for await (const some of mend.edit(model, [requests], h, contextOf(), prepared)) edits.push(...some)
    const { tensors } = readSafetensorsHeader(join(__dirname, 'golden/deltas.safetensors'))
    expect(edits[0]!.parts.map((p) => p.site)).toEqual(expected.sites)
    for (const part of edits[0]!.parts) {
      const known = readTensor(part.site!, tensors.get(part.site!)!)
      const delta = matrixOf(part)
      expect(norm(delta.map((x, i) => x - known[i]!)) / norm(known)).toBeLessThan(1e-3)
    }
  })
})

const matrixOf = (part: EditPart): Float32Array =>
  valuesOf(() => kindOf(part).weightDelta!(part, `${part.site}.weight`)!)

test("each fact's own mean writes of several what they write alone, added up", async () => {
  const model = await openModel(join(__dirname, '../../harness/model/golden/gpt2'))
  const editor = newEditor(model, expected.sites, expected.rank, 0.1, 0)
  for (const spread of editor.spreads.values()) {
    spread.count = 2
    spread.squares.fill(1)
  }
  const requests = expected.examples.map(({ prompt, target }) => ({ prompt, subject: '', target: target.trim() }))
  const h = mendHyperparameters.parse({ edit_modules: expected.sites, rank: expected.rank, reduction: 'each' })
  const prepared = await mend.prepare!(model, h, contextOf(), artifactOf(editor, {}))
  const groups = [requests, ...requests.map((r) => [r])]
  const matrices: Float32Array[][] = []
  for await (const [edit] of mend.edit(model, groups, h, contextOf(), prepared))
    matrices.push(edit!.parts.map(matrixOf))
  const [together, ...alone] = matrices
  for (const [i, all] of together!.entries()) {
    const sum = all.map((_, j) => alone.reduce((s, m) => s + m[i]![j]!, 0))
    expect(norm(all.map((x, j) => x - sum[j]!)) / norm(sum)).toBeLessThan(1e-4)
  }
  model.dispose()
})

describe('training', () => {
  let model: LanguageModel
  beforeAll(async () => {
    model = await openModel('gptj-mini')
  })
  afterAll(() => model.dispose())

  const cases = () =>
    loadCases(findDataset('counterfact'), undefined, { onBadRecord: 'fail', seed: 0, split: 'train', limit: 24 })
  const rules = {
    edit_modules: ['layers.6.mlp.fc', 'layers.6.mlp.proj', 'layers.7.mlp.fc'],
    rank: 16,
    lr: 1e-3,
    lr_lr: 1e-2,
    accumulate_bs: 4,
    val_interval: 8
  }
  const looks: number[] = []
  const train = (max_iters: number, kept?: { last?: Artifact }, until = Number.POSITIVE_INFINITY) => {
    let steps = 0
    looks.length = 0
    const context: TrainingContext = {
      ...contextOf(),
      log: (_, details) => looks.push(details!.total as number),
      onProgress: () => {
        if (++steps > until) throw new Error('stopped')
      },
      checkpoint: () => kept?.last,
      saveCheckpoint: (artifact) => {
        // As a file would hold it: of the arrays as they are now.
        const tensors = Object.entries(artifact.tensors).map(([n, t]) => [n, { ...t, data: t.data.slice() }] as const)
        if (kept !== undefined) kept.last = { tensors: Object.fromEntries(tensors), json: artifact.json }
      }
    }
    return mend.train!(model, cases(), mendHyperparameters.parse({ ...rules, max_iters }), context)
  }

  test('makes an editor that writes', async () => {
    const artifact = await train(48)
    const { loss, steps } = artifact.json as { loss: number; steps: number }
    expect(steps).toBeGreaterThan(0)
    const h = mendHyperparameters.parse({ ...rules, max_iters: 48 })
    const prepared = await mend.prepare!(model, h, contextOf(), artifact)
    const requests: EditRequest[] = []
    for await (const c of cases()) requests.push(c.requests[0])
    const nll = async (editor: Editor) => {
      let sum = 0
      for await (const [edit] of mend.edit(
        model,
        requests.slice(0, 8).map((r) => [r]),
        h,
        contextOf(),
        editor
      )) {
        const [request] = edit!.requests
        const target = encodeTarget(model.tokenizer, request!.target)
        const [score] = edited(model, edit!).score([{ prompt: request!.prompt, target }])
        sum += score!.nll.reduce((a, b) => a + b, 0) / target.length
      }
      return sum / 8
    }
    const still = { ...prepared, weights: new Map(prepared.weights).set('lr', new Float32Array(3)) }
    expect(await nll(prepared)).toBeLessThan(0.5 * (await nll(still)))
    // Of all looks at what is held back the best counts.
    expect(looks).toHaveLength(6)
    expect(loss).toBe(Math.min(...looks))
  })

  test('that was interrupted goes on, and comes to the same', async () => {
    const kept: { last?: Artifact } = {}
    await expect(train(24, kept, 4)).rejects.toThrow('stopped')
    expect(kept.last).toBeDefined()
    const [whole, resumed] = [await train(24), await train(24, kept)]
    for (const [name, { data }] of Object.entries(whole.tensors))
      expect([name, norm(data.map((x, i) => x - resumed.tensors[name]!.data[i]!)) / (norm(data) || 1) < 1e-5]).toEqual([
        name,
        true
      ])
    expect(resumed.json).toEqual(whole.json)
  })

  test('that diverges is refused', async () => {
    const wild = mendHyperparameters.parse({ ...rules, edit_lr: Number.MAX_VALUE, max_iters: 8 })
    const context = { ...contextOf(), onProgress: () => {}, checkpoint: () => undefined, saveCheckpoint: () => {} }
    await expect(mend.train!(model, cases(), wild, context)).rejects.toThrow('did anything finite')
  })

  test('wants cases', async () => {
    const none = async function* () {}
    const h = mendHyperparameters.parse(rules)
    const context = { ...contextOf(), onProgress: () => {}, checkpoint: () => undefined, saveCheckpoint: () => {} }
    await expect(mend.train!(model, none(), h, context)).rejects.toThrow('needed are 2')
  })
})
