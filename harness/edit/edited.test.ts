import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import {
  continued,
  encodePrompt,
  encodeTarget,
  type ForwardOptions,
  type LanguageModel,
  openModel,
  padBatch,
  scoreTargets
} from '../model'
import { useBackend } from '../tensor'
import { changesUnder, generateEdited, scoreEdited } from './apply'
import { edited } from './edited'
import { type EditPart, KINDS } from './kinds'
import type { DensePart } from './kinds/dense'
import type { PartKind } from './kinds/kind'
import type { LowRankPart } from './kinds/low-rank'
import type { Edit } from './types'

const GOLDEN = join(__dirname, '../model/golden')
const NAMES = readdirSync(GOLDEN, { withFileTypes: true }).flatMap((f) => (f.isDirectory() ? [f.name] : []))
const SITE = 'layers.1.mlp.proj'
const PROMPTS = ['The capital of France is', 'A', 'Two words', 'The zebra eats the']

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

const values = (n: number, k: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * k + 1))
const editOf = (...parts: EditPart[]): Edit => ({ method: 'test', requests: [], parts, diagnostics: {} })

function everyPosition(rows: readonly (readonly number[])[]) {
  const at = rows.flatMap((row, i) => row.map((_, j) => [i, j] as const))
  return { rows: Int32Array.from(at, (a) => a[0]), positions: Int32Array.from(at, (a) => a[1]) }
}

function largestDifference(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  expect(a.length).toBe(b.length)
  return Math.max(...a.map((row, i) => Math.max(...row.map((x, j) => Math.abs(x - b[i]![j]!)))))
}

/** What edits are made of, for the model that is open. */
const partsOf = (model: LanguageModel, site = SITE) => {
  const [out, into] = (
    site === 'head' ? [model.config.vocab, model.config.dim] : model.weightShape(`${site}.weight`)
  ) as [number, number]
  return {
    low: (k: number, rank = 1): LowRankPart => ({
      ...{ kind: 'low-rank', site, rank, out, in: into },
      ...{ u: values(out * rank, k), v: values(into * rank, k + 1) }
    }),
    dense: (k: number, size = 1): DensePart => ({
      ...{ kind: 'dense', site, out, in: into },
      ...{ delta: values(out * into, k).map((x) => x * size), bias: values(out, k) }
    })
  }
}

describe.each(NAMES)('%s', (name) => {
  let model: LanguageModel
  let prompts: number[][]
  beforeAll(async () => {
    model = await openModel(join(GOLDEN, name))
    prompts = PROMPTS.map((p) => encodePrompt(model.tokenizer, p))
  })
  afterAll(() => model.dispose())

  const logitsOf = (asked: Pick<LanguageModel, 'forward'>, rows = prompts, options: ForwardOptions = {}) =>
    tf.tidy(() => asked.forward(padBatch(rows), { logitsAt: everyPosition(rows), ...options }).logits!.arraySync())

  test('edits of all kinds share a batch, each acting on its own rows as the changed weights do', () => {
    const { low, dense } = partsOf(model)
    const edits = [editOf(low(0.7)), editOf(low(1.3, 2)), editOf(dense(0.9, 0.1)), undefined]
    const carried = [edits[1], undefined, edits[2], edits[0]]
    const got = logitsOf(model, prompts, { changes: changesUnder(carried, model)!([0, 1, 2, 3]) })
    const wanted = prompts.flatMap((prompt, row) => {
      const edit = carried[row]
      const weights = tf.tidy(() =>
        Object.fromEntries(
          (edit?.parts ?? []).flatMap((part) => {
            const delta =
              part.kind === 'low-rank'
                ? tf.matMul(
                    tf.tensor2d(part.u, [part.out, part.rank]),
                    tf.tensor2d(part.v, [part.in, part.rank]),
                    false,
                    true
                  )
                : tf.tensor2d((part as DensePart).delta, [(part as DensePart).out, (part as DensePart).in])
            const added = part.kind === 'dense' ? tf.tensor1d(part.bias!) : undefined
            const weight = tf.keep(model.weight(`${SITE}.weight`).add(delta))
            const bias =
              model.weightShape(`${SITE}.bias`) === undefined ? added : added?.add(model.weight(`${SITE}.bias`))
            return [
              [`${SITE}.weight`, weight] as const,
              ...(bias === undefined ? [] : [[`${SITE}.bias`, tf.keep(bias)] as const])
            ]
          })
        )
      )
      const logits = logitsOf(model, [prompt], { weights })
      tf.dispose(Object.values(weights))
      return logits
    })
    expect(largestDifference(got, wanted)).toBeLessThan(2e-3)
    expect(largestDifference(got, logitsOf(model))).toBeGreaterThan(1e-2)
  })

  test('several parts of an edit at one site add up, bias included', () => {
    const { low, dense } = partsOf(model)
    const [a, b, c, d] = [low(0.7), low(1.3), dense(0.4, 0.1), dense(0.9, 0.1)] as const
    const product = ({ u, v, in: into }: LowRankPart, i: number) => u[Math.floor(i / into)]! * v[i % into]!
    const sum: DensePart = {
      ...c,
      delta: c.delta.map((x, i) => product(a, i) + product(b, i) + x + d.delta[i]!),
      bias: c.bias!.map((x, i) => x + d.bias![i]!)
    }
    const under = (...parts: EditPart[]) => logitsOf(edited(model, editOf(...parts)))
    const wanted = under(sum)
    expect(largestDifference(under(a, b, c, d), wanted)).toBeLessThan(2e-3)
    // Each of them counts.
    for (const some of [
      [a, c, d],
      [b, c, d],
      [a, b, c],
      [a, b, d],
      [a, b, { ...c, bias: c.bias!.map(() => 0) }, d]
    ])
      expect(largestDifference(under(...some), wanted)).toBeGreaterThan(1e-2)
  })

  test('a model under an edit is a model: its weights, its hash, and edits of it', () => {
    const { low, dense } = partsOf(model)
    const head = partsOf(model, 'head').low(0.3)
    const [first, second] = [editOf(low(0.7), head), editOf(dense(0.4, 0.1))]
    const once = edited(model, first)
    const twice = edited(once, second)
    expect(
      largestDifference(logitsOf(twice), logitsOf(edited(model, editOf(...first.parts, ...second.parts))))
    ).toBeLessThan(2e-3)
    expect(largestDifference(logitsOf(once), logitsOf(edited(model, editOf(low(0.7)))))).toBeGreaterThan(1e-2)
    expect(new Set([model.hash, once.hash, twice.hash, edited(model, second).hash]).size).toBe(4)
    const { rank: _, ...alone } = low(0.7)
    const weights = { [`${SITE}.weight`]: edited(model, editOf(low(0.7))).weight(`${SITE}.weight`) }
    expect(
      largestDifference(logitsOf(model, prompts, { weights }), logitsOf(edited(model, editOf(low(0.7)))))
    ).toBeLessThan(2e-3)
    expect(alone.out).toBe(model.weightShape(`${SITE}.weight`)![0])
    // What it says is what it scores.
    const said = once.generate(
      PROMPTS.map((prompt) => ({ prompt })),
      { maxNewTokens: 3 }
    )
    const scored = once.score(PROMPTS.map((prompt, i) => ({ prompt, target: said[i]! })))
    expect(scored.map((s) => s.argmax)).toEqual(said)
    expect(said).not.toEqual(
      model.generate(
        PROMPTS.map((prompt) => ({ prompt })),
        { maxNewTokens: 3 }
      )
    )
  })
})

describe('of one model', () => {
  let model: LanguageModel
  beforeAll(async () => {
    model = await openModel(join(GOLDEN, 'gptj'))
  })
  afterAll(() => model.dispose())

  test('gradients go through a change, into what lies before it', () => {
    const { low } = partsOf(model)
    const changes = changesUnder([editOf(low(0.7)), undefined], model)!([0, 1])
    const batch = padBatch([
      [1, 2, 3],
      [4, 5]
    ])
    const logitsAt = { rows: Int32Array.of(0, 1), positions: Int32Array.of(2, 1) }
    const loss = (hidden: tf.Tensor): tf.Scalar =>
      model
        .forward(batch, { from: { layer: 1, hidden: hidden as tf.Tensor3D }, changes, logitsAt })
        .logits!.square()
        .mean()
    tf.tidy(() => {
      const { hidden } = model.forward(batch, { to: 1 })
      const gradient = tf.grad(loss)(hidden)
      const direction = tf.tensor3d(values(hidden.size, 0.37), hidden.shape)
      const step = 1e-2
      const difference = loss(hidden.add(direction.mul(step)))
        .sub(loss(hidden.sub(direction.mul(step))))
        .div(2 * step)
      const along = gradient.mul(direction).sum().dataSync()[0]!
      expect(along / difference.dataSync()[0]!).toBeCloseTo(1, 2)
      const unchanged = model
        .forward(batch, { from: { layer: 1, hidden }, logitsAt })
        .logits!.square()
        .mean()
      expect(Math.abs(loss(hidden).sub(unchanged).dataSync()[0]!)).toBeGreaterThan(1e-3)
    })
  })

  test('an edit leaves no tensor behind, and the weights as they were', () => {
    const { low, dense } = partsOf(model)
    const hash = model.weightsHash()
    const work = () => {
      const under = edited(model, editOf(low(0.7), low(0.2), dense(0.4, 0.1)))
      under.score([{ prompt: 'The zebra', target: [3, 4] }])
      under.generate([{ prompt: 'The zebra' }], { maxNewTokens: 3 })
      under.weight(`${SITE}.weight`)
      under.dispose()
    }
    work()
    const before = tf.memory() as tf.MemoryInfo & { liveBytes: number }
    work()
    const after = tf.memory() as tf.MemoryInfo & { liveBytes: number }
    expect([after.numTensors, after.numDataBuffers, after.liveBytes]).toEqual([
      before.numTensors,
      before.numDataBuffers,
      before.liveBytes
    ])
    expect(model.weightsHash()).toBe(hash)
  })

  test.each<[string, object, RegExp]>([
    [
      'a part at a site the model does not have',
      { site: 'layers.9.mlp.proj' },
      /'layers\.9\.mlp\.proj' is at a site this model/
    ],
    ['one at a site that is no linear map', { site: 'layers.1.norm' }, /is at a site this model does not have/],
    ['one at the embedding, which maps no vectors', { site: 'embed' }, /is at a site this model does not have/],
    [
      'one of an unknown kind',
      { kind: 'side-model' },
      /is of the unknown kind 'side-model'|of the unknown kind 'side-model'/
    ],
    ['one of another size', { out: 3 }, /is for a weight of \[3, \d+\], the model's is/],
    ['one with too few numbers', { u: new Float32Array(2) }, /has 2 and \d+ numbers, which is no change of rank 1/],
    ['one of rank 0', { rank: 0, u: new Float32Array(), v: new Float32Array() }, /no change of rank 0/],
    [
      'a dense one with a bias of another size',
      { kind: 'dense', delta: new Float32Array(4096), bias: Float32Array.of(1) },
      /other numbers/
    ],
    ['numbers that are none', { u: new Float32Array(32).fill(Number.NaN) }, /holds numbers that are not finite/]
  ])('%s is refused', (_, change, message) => {
    const part = { ...partsOf(model).low(0.7), ...change } as EditPart
    expect(() => edited(model, editOf(part))).toThrow(message)
    expect(() => scoreEdited(model, [{ prompt: 'A', target: [1], edit: editOf(part) }])).toThrow(message)
  })

  test('logits that are no numbers are said of the edit, and of no other item', () => {
    const { dim, ffDim } = model.config
    const part = {
      ...partsOf(model).low(0.7),
      u: new Float32Array(dim).fill(3e38),
      v: new Float32Array(ffDim).fill(3e38)
    }
    const items = [
      { prompt: 'A', target: [3] },
      { prompt: 'A', target: [3], edit: editOf(part) }
    ]
    expect(scoreEdited(model, items).map((s) => s.finite)).toEqual([true, false])
    const generate = () => generateEdited(model, items, { maxNewTokens: 2 })
    expect(generate).toThrow(/the model edited by test are not finite/)
    expect(generate).toThrow(expect.objectContaining({ item: 1 }))
  })

  describe('parts that act on the text', () => {
    interface TextPart {
      readonly kind: 'text'
      readonly says?: string
      readonly before?: string
      readonly only?: string
    }
    /** A kind of a test: an answer of its own, a text before the prompt, a gate. */
    const text: PartKind<TextPart> = {
      kind: 'text',
      header: undefined as never,
      headerOf: ({ says, before, only }) => ({ says, before, only }),
      arrays: () => ({}),
      revive: undefined as never,
      check: () => {},
      answer: ({ says }) => says,
      rewrite: ({ before = '' }, prompt) => before + prompt,
      applies: ({ only }, prompt) => only === undefined || prompt.includes(only)
    }
    const kinds = KINDS as unknown as PartKind<TextPart>[]
    beforeAll(() => void kinds.push(text))
    afterAll(() => void kinds.pop())
    const under = (part: Omit<TextPart, 'kind'>, ...more: EditPart[]) =>
      editOf({ kind: 'text', ...part } as unknown as EditPart, ...more)
    const ids = (text: string) => encodePrompt(model.tokenizer, text)

    test('a prompt is rewritten before it is read', () => {
      const edit = under({ before: 'The lion. ' })
      const prompt = ids('The lion. A dog')
      expect(edited(model, edit).generate([{ prompt: 'A dog' }], { maxNewTokens: 4 })).toEqual(
        continued(model, [{ prompt, said: [] }], { maxNewTokens: 4 })
      )
      const [score] = scoreEdited(model, [{ prompt: 'A dog', target: [3, 4], edit }])
      expect(score).toEqual(scoreTargets(model, [{ prompt, target: [3, 4] }])[0])
    })

    test('an answer of its own is certain, ends, and asks no model', () => {
      const silent = {
        ...model,
        tokenizer: model.tokenizer,
        score: () => [],
        generate: () => []
      } as unknown as LanguageModel
      const edit = under({ says: 'grass' })
      const target = encodeTarget(model.tokenizer, 'grass')
      const [right, wrong] = scoreEdited(silent, [
        { prompt: 'A', target, edit },
        { prompt: 'A', target: target.map((i) => i + 1), edit }
      ])
      expect(right).toEqual({ argmax: target, nll: target.map(() => 0), next: model.tokenizer.endOfText, finite: true })
      expect(wrong!.argmax).toEqual(target)
      expect(Math.min(...wrong!.nll)).toBeGreaterThan(20)
      const items = [
        { prompt: 'A', edit },
        { prompt: 'A', said: target.slice(0, 1), edit }
      ]
      expect(generateEdited(silent, items, { maxNewTokens: 9 })).toEqual([target, target.slice(1)])
    })

    test('a gate keeps all other parts from a prompt it does not let through', () => {
      const edit = under({ only: 'zebra' }, partsOf(model).low(0.7))
      const say = (prompt: string, e?: Edit) => scoreEdited(model, [{ prompt, target: [3], edit: e }])[0]!.nll
      expect(say('The lion', edit)).toEqual(say('The lion'))
      expect(say('The zebra', edit)).not.toEqual(say('The zebra'))
    })
  })
})
