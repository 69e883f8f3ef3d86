import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { editFacts } from '../../methods/rome'
import { romeHyperparameters } from '../../methods/rome/hyperparameters'
import type { Edit, EditPart } from '../edit/types'
import { crossEntropy, useBackend } from '../tensor'
import { norm } from '../tensor/linalg'
import {
  disposeCache,
  encodePrompt,
  encodeTarget,
  type ForwardOptions,
  greedy,
  type LanguageModel,
  lastTokenOf,
  leftAlign,
  openModel,
  padBatch,
  scoreTargets
} from '.'
import expected from './golden/expected.json'

/** Everything here is compared with what transformers computes on the same checkpoints (golden/make.py). */

type Golden = { logits: number[][][]; greedy: number[][] }
const NAMES = Object.keys(expected.models)
const open = (name: string) => openModel(join(__dirname, 'golden', name))
const golden = (name: string) => (expected.models as Record<string, Golden>)[name]!

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

function everyPosition(rows: readonly (readonly number[])[]) {
  const at = rows.flatMap((row, i) => row.map((_, j) => [i, j] as const))
  return { rows: Int32Array.from(at, (a) => a[0]), positions: Int32Array.from(at, (a) => a[1]) }
}

function logitsOf(model: LanguageModel, rows: readonly (readonly number[])[]): number[][] {
  return tf.tidy(() => model.forward(padBatch(rows), { logitsAt: everyPosition(rows) }).logits!.arraySync())
}

function largestDifference(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  expect(a.length).toBe(b.length)
  return Math.max(...a.map((row, i) => Math.max(...row.map((x, j) => Math.abs(x - b[i]![j]!)))))
}

describe.each(NAMES)('%s', (name) => {
  let model: LanguageModel
  let prompts: number[][]

  beforeAll(async () => {
    model = await open(name)
    prompts = expected.prompts.map((p) => encodePrompt(model.tokenizer, p))
  })
  afterAll(() => model.dispose())

  test('logits at every position are those of transformers within 1e-4', () => {
    for (const [i, prompt] of prompts.entries()) {
      const sampled = logitsOf(model, [prompt]).map((row) => row.filter((_, j) => j % 16 === 0))
      expect(largestDifference(sampled, golden(name).logits[i]!)).toBeLessThan(1e-4)
    }
  })

  test('a padded batch gives each row what it gives alone', () => {
    const together = logitsOf(model, prompts)
    const alone = prompts.flatMap((p) => logitsOf(model, [p]))
    expect(largestDifference(together, alone)).toBeLessThan(1e-4)
  })

  test('greedy decoding with cached keys continues as transformers does', () => {
    // The cache is what is tested: whole passes decide the goldens.
    const continued = greedy(model, prompts, { maxNewTokens: 6 })
    for (const [i, ids] of continued.entries()) {
      const ended = golden(name).greedy[i]!.indexOf(model.tokenizer.endOfText)
      expect(ids).toEqual(golden(name).greedy[i]!.slice(0, ended < 0 ? 6 : ended))
    }
  })

  test('stopping after a block and going on from its output is the whole pass', () => {
    const batch = padBatch(prompts)
    const logitsAt = everyPosition(prompts)
    const whole = tf.tidy(() => model.forward(batch, { logitsAt }).logits!.arraySync())
    const parts = tf.tidy(() => {
      const { hidden } = model.forward(batch, { to: 2 })
      return model.forward(batch, { from: { layer: 2, hidden }, logitsAt }).logits!.arraySync()
    })
    expect(largestDifference(parts, whole)).toBeLessThan(1e-5)
  })

  test('going on over the keys and values of earlier positions, rows of unequal length, is the whole pass', () => {
    const cut = prompts.map((p) => Math.floor(p.length / 2))
    const suffixes = prompts.map((p, i) => p.slice(cut[i]!))
    const whole = logitsOf(model, prompts)
    const firstRow = (i: number) => prompts.slice(0, i).reduce((sum, p) => sum + p.length, 0)
    const wanted = suffixes.flatMap((s, i) => s.map((_, j) => whole[firstRow(i) + cut[i]! + j]!))
    const { hidden, cache } = model.forward(padBatch(prompts.map((p, i) => p.slice(0, cut[i]!))), { keepCache: true })
    const past = leftAlign(cache!, cut)
    const got = tf.tidy(() =>
      model.forward(padBatch(suffixes), { past, logitsAt: everyPosition(suffixes) }).logits!.arraySync()
    )
    hidden.dispose()
    disposeCache(cache)
    disposeCache(past)
    expect(largestDifference(got, wanted)).toBeLessThan(1e-4)
  })

  test.each([
    'embed',
    'layers.1.in',
    'layers.1.attn.out',
    'layers.1.mlp.fc',
    'layers.1.mlp.proj:in',
    'layers.1.mlp.proj',
    'layers.1.out'
  ])('what is captured at %s can be put back, and what is put in there counts', (site) => {
    const batch = padBatch(prompts)
    const logitsAt = everyPosition(prompts)
    const { before, same, other } = tf.tidy(() => {
      const first = model.forward(batch, { logitsAt, capture: [site] })
      const kept = first.captured[site]!
      const withValue = (value: tf.Tensor3D) =>
        model.forward(batch, { logitsAt, replace: { [site]: () => value } }).logits!.arraySync()
      return {
        before: first.logits!.arraySync(),
        same: withValue(kept),
        other: withValue(kept.add(tf.linspace(-1, 1, kept.shape[2])))
      }
    }) as unknown as Record<'before' | 'same' | 'other', number[][]>
    expect(largestDifference(same!, before!)).toBe(0)
    expect(largestDifference(other!, before!)).toBeGreaterThan(1e-2)
  })

  test('a teacher-forced target is right exactly when greedy decoding gives it', () => {
    const continuations = greedy(model, prompts, { maxNewTokens: 4 })
    const items = prompts.map((prompt, i) => ({ prompt, target: continuations[i]! }))
    for (const [i, score] of scoreTargets(model, items).entries()) {
      expect(score.argmax).toEqual(continuations[i])
      const other = continuations[i]!.map((id) => (id + 1) % 384)
      expect(scoreTargets(model, [{ prompt: prompts[i]!, target: other }])[0]!.argmax).not.toEqual(other)
    }
  })

  test('edits act on their own rows alone, as the changed weights do on a whole batch', () => {
    const site = 'layers.1.mlp.proj'
    const weight = model.weight(`${site}.weight`) as tf.Tensor2D
    const [out, into] = weight.shape
    const values = (n: number, k: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * k + 1))
    const edit = (rank: number, seed: number) => ({
      method: 'test',
      requests: [],
      diagnostics: {},
      parts: [
        {
          kind: 'low-rank' as const,
          site,
          rank,
          out,
          in: into,
          u: values(out * rank, seed),
          v: values(into * rank, seed + 1)
        }
      ]
    })
    const edits = [edit(1, 0.7), edit(2, 1.3)]
    const rowEdit = Int32Array.from([1, -1, 0, 1])
    const batch = padBatch(prompts)
    const logitsAt = everyPosition(prompts)
    const got = tf.tidy(() => model.forward(batch, { logitsAt, edits: { edits, rowEdit } }).logits!.arraySync())
    const wanted = prompts.flatMap((prompt, row) => {
      const part = edits[rowEdit[row]!]?.parts[0]
      return tf.tidy(() => {
        const changed =
          part === undefined
            ? weight
            : weight.add(
                tf.matMul(tf.tensor2d(part.u, [out, part.rank]), tf.tensor2d(part.v, [into, part.rank]), false, true)
              )
        return model
          .forward(padBatch([prompt]), { logitsAt: everyPosition([prompt]), weights: { [`${site}.weight`]: changed } })
          .logits!.arraySync()
      })
    })
    expect(largestDifference(got, wanted)).toBeLessThan(1e-3)
    const dense = {
      ...edit(1, 0.3),
      parts: [{ kind: 'dense' as const, site, out, in: into, delta: values(out * into, 0.9) }]
    }
    const gotDense = tf.tidy(() =>
      model.forward(batch, { logitsAt, edits: { edits: [dense], rowEdit: new Int32Array(4) } }).logits!.arraySync()
    )
    const wantedDense = tf.tidy(() => {
      const weights = { [`${site}.weight`]: weight.add(tf.tensor2d(dense.parts[0]!.delta, [out, into])) }
      return model.forward(batch, { logitsAt, weights }).logits!.arraySync()
    })
    expect(largestDifference(gotDense, wantedDense)).toBe(0)
  })

  test('several parts of an edit at one site add up, bias included', () => {
    const site = 'layers.1.mlp.proj'
    const [out, into] = model.weight(`${site}.weight`).shape as [number, number]
    const values = (n: number, k: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * k + 1))
    const low = (k: number) => ({
      ...{ kind: 'low-rank' as const, site, rank: 1, out, in: into },
      ...{ u: values(out, k), v: values(into, k + 1) }
    })
    const dense = (k: number) => ({
      ...{ kind: 'dense' as const, site, out, in: into },
      ...{ delta: values(out * into, k).map((x) => x / 9), bias: values(out, k) }
    })
    const edit = (...parts: EditPart[]): Edit => ({ method: 'test', requests: [], parts, diagnostics: {} })
    const product = ({ u, v }: { u: Float32Array; v: Float32Array }, i: number) =>
      u[Math.floor(i / into)]! * v[i % into]!
    const logits = (e: Edit) => {
      const edits = { edits: [e], rowEdit: new Int32Array(prompts.length) }
      return tf.tidy(() =>
        model.forward(padBatch(prompts), { logitsAt: everyPosition(prompts), edits }).logits!.arraySync()
      )
    }
    const [a, b, c, d] = [low(0.7), low(1.3), dense(0.4), dense(0.9)]
    const sum = {
      ...dense(0),
      delta: values(out * into, 0).map((_, i) => product(a, i) + product(b, i) + c.delta[i]! + d.delta[i]!),
      bias: values(out, 0).map((_, i) => c.bias[i]! + d.bias[i]!)
    }
    const wanted = logits(edit(sum))
    expect(largestDifference(logits(edit(a, b, c, d)), wanted)).toBeLessThan(2e-3)
    // Each of them counts.
    for (const some of [
      [a, c, d],
      [b, c, d],
      [a, b, c],
      [a, b, d]
    ])
      expect(largestDifference(logits(edit(...some)), wanted)).toBeGreaterThan(1e-2)
    const withoutBias = { ...c, bias: c.bias.map(() => 0) }
    expect(largestDifference(logits(edit(a, b, withoutBias, d)), wanted)).toBeGreaterThan(1e-2)
  })

  test('ROME writes the value it optimised, and the edited model is as sure of the target as promised', async () => {
    const request = { prompt: 'The capital of France is', subject: 'France', target: 'Rome' }
    const h = romeHyperparameters.parse({ layer: 1, key: 'prompt', context_templates: ['{}'], v_weight_decay: 1e-3 })
    const [edit] = editFacts(model, [request], h, ['{}'], undefined)
    const site = 'layers.1.mlp.proj'
    const ids = encodePrompt(model.tokenizer, request.prompt)
    const subject = model.tokenizer.prefix.length + lastTokenOf(model.tokenizer, request.prompt, 21)
    const valueThere = (edits?: ForwardOptions['edits']) => {
      const { hidden, captured } = model.forward(padBatch([ids]), { to: 2, capture: [site], ...(edits && { edits }) })
      const { dim } = model.config
      const value = captured[site]!.dataSync().slice(subject * dim, (subject + 1) * dim)
      tf.dispose([hidden, captured[site]!])
      return value
    }
    const { deltaNorm, nll } = edit!.diagnostics.values!
    const arrived = valueThere({ edits: [edit!], rowEdit: new Int32Array(1) })
    const before = valueThere()
    expect(norm(arrived.map((x, i) => x - before[i]!)) / deltaNorm!).toBeCloseTo(1, 4)
    const target = encodeTarget(model.tokenizer, request.target)
    const nllWith = (change: (value: tf.Tensor3D) => tf.Tensor3D) => {
      const batch = padBatch([[...ids, ...target.slice(0, -1)]])
      const positions = Int32Array.from(target, (_, i) => ids.length - 1 + i)
      const logitsAt = { rows: new Int32Array(target.length), positions }
      const losses = tf.tidy(() => {
        const { logits } = model.forward(batch, { logitsAt, replace: { [site]: change } })
        return crossEntropy(logits!, tf.tensor1d(target, 'int32')).mean()
      })
      return losses.dataSync()[0]!
    }
    const promised = nllWith((value) => {
      const change = new Float32Array(value.size)
      change.set(
        arrived.map((x, i) => x - before[i]!),
        subject * model.config.dim
      )
      return value.add(tf.tensor3d(change, value.shape))
    })
    expect(promised).toBeCloseTo(nll!, 3)
    expect(nllWith((value) => value)).toBeGreaterThan(nll! + 0.1)
  })

  test('a pass leaves no tensor and no buffer behind', () => {
    const pass = () => logitsOf(model, prompts)
    pass()
    const before = tf.memory() as tf.MemoryInfo & { liveBytes: number }
    pass()
    greedy(model, prompts, { maxNewTokens: 3 })
    const after = tf.memory() as tf.MemoryInfo & { liveBytes: number }
    expect([after.numTensors, after.numDataBuffers, after.liveBytes]).toEqual([
      before.numTensors,
      before.numDataBuffers,
      before.liveBytes
    ])
  })
})

describe('what would do nothing is refused:', () => {
  let model: LanguageModel
  beforeAll(async () => {
    model = await open('gptj')
  })
  afterAll(() => model.dispose())
  const site = 'layers.1.mlp.proj'
  const pass = (options: ForwardOptions) => tf.tidy(() => void model.forward(padBatch([[1, 2, 3]]), options))
  const part = (change: object) => {
    const [out, into] = model.weight(`${site}.weight`).shape as [number, number]
    const u = new Float32Array(out)
    return { kind: 'low-rank', site, rank: 1, out, in: into, u, v: new Float32Array(into), ...change } as EditPart
  }
  const withPart = (change: object) => {
    const edit = { method: 'test', requests: [], parts: [part(change)], diagnostics: {} }
    return () => pass({ edits: { edits: [edit], rowEdit: Int32Array.of(0) } })
  }

  test.each<[string, object, RegExp]>([
    [
      'a part at a site the model does not have',
      { site: 'layers.9.mlp.proj' },
      /'layers\.9\.mlp\.proj' is at a site this model/
    ],
    ['one at a site that is no linear map', { site: 'layers.1.norm' }, /is at a site this model does not have/],
    ['one of an unknown kind', { kind: 'codebook' }, /is of the unknown kind 'codebook'/],
    ['one of another size', { out: 3 }, /is for a weight of \[3, \d+\], the model's is/],
    ['one with too few numbers', { u: new Float32Array(2) }, /has 2 and \d+ numbers, which is no change of rank 1/],
    ['one of rank 0', { rank: 0, u: new Float32Array(), v: new Float32Array() }, /no change of rank 0/],
    [
      'a dense one with a bias of another size',
      { kind: 'dense', delta: new Float32Array(4096), bias: Float32Array.of(1) },
      /other numbers/
    ]
  ])('%s', (_, change, message) => expect(withPart(change)).toThrow(message))

  test.each<[string, ForwardOptions, RegExp]>([
    [
      'a mistyped capture',
      { capture: ['layers.1.mlp.prj'] },
      /'layers\.1\.mlp\.prj', did you mean 'layers\.1\.mlp\.proj'/
    ],
    [
      'a capture above the last block run',
      { capture: ['layers.2.out'], to: 2 },
      /does not come by the site 'layers\.2\.out'/
    ],
    ['a mistyped replacement', { replace: { 'layer.1.out': (x) => x } }, /does not come by the site 'layer\.1\.out'/]
  ])('%s', (_, options, message) => expect(() => pass(options)).toThrow(message))

  test('logits that are no numbers: an error unedited, said of the edit otherwise', () => {
    const huge = part({
      u: new Float32Array(model.config.dim).fill(3e38),
      v: new Float32Array(model.config.ffDim).fill(3e38)
    })
    const edit = { method: 'test', requests: [], parts: [huge], diagnostics: {} }
    const [fine, broken] = scoreTargets(model, [
      { prompt: [1, 2], target: [3] },
      { prompt: [1, 2], target: [3], edit }
    ])
    expect([fine!.finite, broken!.finite]).toEqual([true, false])
    expect(() => greedy(model, [[1, 2]], { maxNewTokens: 2, edits: [edit] })).toThrow(/edited by test are not finite/)
    const nan = {
      ...model,
      forward: () => ({ hidden: tf.scalar(0), logits: tf.fill([2, 384], Number.NaN), captured: {} })
    }
    const unwell = Object.assign(Object.create(model) as LanguageModel, { forward: nan.forward, name: 'unwell' })
    expect(() => scoreTargets(unwell, [{ prompt: [1, 2], target: [3] }])).toThrow(
      /logits of the model .* are not finite/
    )
  })
})

describe('tokenizer', () => {
  test('token ids and decoded texts of 200 awkward strings are those of transformers', async () => {
    const { tokenizer } = await open('gpt2')
    expect(expected.strings).toHaveLength(200)
    for (const [i, text] of expected.strings.entries()) {
      expect([text, tokenizer.encode(text)]).toEqual([text, expected.ids[i]])
      expect([text, tokenizer.decode(expected.ids[i]!)]).toEqual([text, expected.decoded[i]])
    }
  })
})
