import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { countMatmulFlops, useBackend } from '../tensor'
import {
  continued,
  disposeCache,
  encodePrompt,
  type ForwardOptions,
  type KeyValueCache,
  type LanguageModel,
  leftAlign,
  openModel,
  padBatch,
  type RowPlaces,
  scoreTargets,
  type TargetScore
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

const rows = (prompts: readonly number[][]) => prompts.map((prompt) => ({ prompt, said: [] }))

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
    const said = continued(model, rows(prompts), { maxNewTokens: 6 })
    for (const [i, ids] of said.entries()) {
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

  test('where logits alone are wanted the last block works for their positions, and they and their gradient are the same', () => {
    const cut = prompts.map((p) => Math.floor(p.length / 2))
    const suffixes = prompts.map((p, i) => p.slice(cut[i]!))
    const kept = model.forward(padBatch(prompts.map((p, i) => p.slice(0, cut[i]!))), { keepCache: true })
    const past = leftAlign(kept.cache!, cut)
    // Of the first row the last position twice, of others the first and the last ones, out of order.
    const at = suffixes.flatMap((s, row) =>
      (row === 0 ? [s.length - 1, s.length - 1] : [s.length - 1, 0]).map((p) => [row, p])
    )
    const logitsAt = { rows: Int32Array.from(at, (a) => a[0]!), positions: Int32Array.from(at, (a) => a[1]!) }
    const run = (tokens: typeof suffixes, given: KeyValueCache | undefined, logitsOnly: boolean) =>
      tf.tidy(() => {
        const batch = padBatch(tokens)
        const { hidden } = model.forward(batch, { to: 2, ...(given === undefined ? {} : { past: given }) })
        const options = { logitsAt, logitsOnly, ...(given === undefined ? {} : { past: given }) }
        const loss = (h: tf.Tensor3D) =>
          model
            .forward(batch, { from: { layer: 2, hidden: h }, ...options })
            .logits!.square()
            .sum() as tf.Scalar
        const { result, flops } = countMatmulFlops(() =>
          model.forward(batch, { from: { layer: 2, hidden }, ...options })
        )
        const gradient = tf.grad(loss as (h: tf.Tensor) => tf.Tensor)(hidden)
        return { logits: result.logits!.arraySync(), gradient: gradient.reshape([1, -1]).arraySync(), flops }
      }) as unknown as { logits: number[][]; gradient: number[][]; flops: number }
    for (const [tokens, given] of [
      [suffixes, past],
      [prompts, undefined]
    ] as const) {
      const [whole, only] = [run(tokens, given, false), run(tokens, given, true)]
      expect(largestDifference(only.logits, whole.logits)).toBeLessThan(1e-4)
      const most = Math.max(...whole.gradient[0]!.map(Math.abs))
      expect(largestDifference(only.gradient, whole.gradient) / most).toBeLessThan(1e-4)
      expect(only.flops).toBeLessThan(0.9 * whole.flops)
    }
    kept.hidden.dispose()
    disposeCache(kept.cache)
    disposeCache(past)
  })

  test('where streams differ at their first positions alone, the first block need not compute the others anew', () => {
    const batch = padBatch(prompts)
    const logitsAt = { rows: Int32Array.from(prompts.keys()), positions: Int32Array.from(prompts, (p) => p.length - 1) }
    const sites = model.streamSites(1)
    expect(sites.includes('layers.1.mlp')).toBe(/gptj|neox$/.test(name))
    const run = (
      first: tf.Tensor3D,
      rest: tf.Tensor3D,
      settled?: ForwardOptions['settled'],
      more: ForwardOptions = {}
    ) => {
      const of = (x: tf.Tensor3D) =>
        model.forward(batch, {
          from: { layer: 1, hidden: tf.concat([x, rest], 1) },
          logitsAt,
          ...more,
          ...(settled === undefined ? {} : { settled })
        }).logits!
      const { result, flops } = countMatmulFlops(() => of(first))
      const gradient = tf.grad(((x: tf.Tensor3D) => of(x).square().sum()) as (x: tf.Tensor) => tf.Tensor)(first)
      return { logits: result.arraySync(), gradient: gradient.reshape([1, -1]).arraySync() as number[][], flops }
    }
    tf.tidy(() => {
      const { hidden } = model.forward(batch, { to: 1 })
      const { captured } = model.forward(batch, { from: { layer: 1, hidden }, to: 2, capture: sites })
      const beyond = (t: tf.Tensor3D) => tf.slice(t, [0, 1, 0], [-1, -1, -1])
      const settled = new Map(sites.map((site) => [site, beyond(captured[site]!)]))
      const first = tf.slice(hidden, [0, 0, 0], [-1, 1, -1]).add(tf.linspace(-1, 1, model.config.dim)) as tf.Tensor3D
      const [whole, known] = [run(first, beyond(hidden)), run(first, beyond(hidden), settled)]
      expect(largestDifference(known.logits, whole.logits)).toBeLessThan(1e-4)
      const most = Math.max(...whole.gradient[0]!.map(Math.abs))
      expect(largestDifference(known.gradient, whole.gradient) / most).toBeLessThan(1e-4)
      expect(known.flops).toBeLessThan(0.97 * whole.flops)
      // What is changed there is told of all positions.
      const changes = new Map([['layers.1.attn.q', (_: tf.Tensor3D, y: tf.Tensor3D): tf.Tensor3D => y.mul(0)]])
      const [a, b] = [
        run(first, beyond(hidden), undefined, { changes }),
        run(first, beyond(hidden), settled, { changes })
      ]
      expect(largestDifference(a.logits, b.logits)).toBe(0)
      expect(largestDifference(a.logits, whole.logits)).toBeGreaterThan(1e-4)
    })
  })

  test('a change in the last block is told of all positions, though logits alone are wanted', () => {
    const last = `layers.${model.config.layers - 1}.mlp`
    const batch = padBatch(prompts)
    const logitsAt = { rows: Int32Array.of(0), positions: Int32Array.of(prompts[0]!.length - 1) }
    const shapes: number[][] = []
    tf.tidy(() => {
      const see = (_: tf.Tensor3D, y: tf.Tensor3D) => {
        shapes.push(y.shape)
        return y
      }
      model.forward(batch, { logitsAt, logitsOnly: true, changes: new Map([[last, see]]) })
      const { captured } = model.forward(batch, { logitsAt, logitsOnly: true, capture: [last] })
      shapes.push(captured[last]!.shape)
    })
    expect(shapes).toEqual([
      [batch.batch, batch.seq, model.config.dim],
      [batch.batch, batch.seq, model.config.dim]
    ])
  })

  test.each([
    'embed',
    'layers.1.in',
    'layers.1.attn.out',
    'layers.1.mlp.fc',
    'layers.1.mlp.proj:in',
    'layers.1.mlp.proj',
    'layers.1.mlp',
    'layers.1.mlp:in',
    'layers.1.out',
    'head'
  ])('what is captured at %s can be put back, and what is put in there counts', (site) => {
    const batch = padBatch(prompts)
    const logitsAt = everyPosition(prompts)
    const { before, same, other } = tf.tidy(() => {
      const first = model.forward(batch, { logitsAt, capture: [site] })
      const kept = first.captured[site]!
      const withValue = (value: tf.Tensor3D) =>
        model.forward(batch, { logitsAt, changes: new Map([[site, () => value]]) }).logits!.arraySync()
      return {
        before: first.logits!.arraySync(),
        same: withValue(kept),
        other: withValue(kept.add(tf.linspace(-1, 1, kept.shape[2])))
      }
    }) as unknown as Record<'before' | 'same' | 'other', number[][]>
    expect(largestDifference(same!, before!)).toBe(0)
    expect(largestDifference(other!, before!)).toBeGreaterThan(1e-2)
  })

  test('a change is told its input, the rows of its batch and where their prompts end', () => {
    const seen: { x: number[]; y: number[]; rows: number[]; promptEnd: readonly number[] }[] = []
    const spy = (x: tf.Tensor3D, y: tf.Tensor3D, { rows: at, promptEnd }: RowPlaces) => {
      seen.push({ x: x.shape, y: y.shape, rows: [...at], promptEnd })
      return y
    }
    const sites = ['layers.1.mlp.proj', 'head']
    scoreTargets(model, [{ prompt: [1, 2, 3], target: [4, 5] }], () => new Map(sites.map((site) => [site, spy])))
    const { dim, ffDim, vocab } = model.config
    expect(seen).toEqual([
      { x: [1, 5, ffDim], y: [1, 5, dim], rows: [0], promptEnd: [2] },
      { x: [3, 1, dim], y: [3, 1, vocab], rows: [0, 0, 0], promptEnd: [2] }
    ])
    seen.length = 0
    const changes = new Map([['layers.1.out', spy]])
    continued(model, [{ prompt: [1, 2, 3], said: [4] }], { maxNewTokens: 2, changesOf: () => changes })
    expect(seen.map((s) => s.promptEnd)).toEqual([[2], [-2]])
  })

  test('continuations of one prompt share the pass over it, and score as each does alone', () => {
    const targets = [[5], [7, 9, 11], [], [7, 9]]
    const [longest, ...others] = [...prompts].sort((a, b) => b.length - a.length)
    const ofLongest = targets.map((target) => ({ prompt: longest!, target }))
    const items = [...ofLongest, ...others.flatMap((prompt) => [[3], [4, 6]].map((target) => ({ prompt, target })))]
    const numbers = (scores: readonly TargetScore[]) => scores.map((s) => [...s.argmax, s.next, ...s.nll])
    const [site, add] = ['layers.1.mlp', (_: tf.Tensor3D, y: tf.Tensor3D): tf.Tensor3D => y.add(0.5)] as const
    const changesOf = () => new Map([[site, add]])
    for (const [given, mark] of [
      [undefined, {}],
      [changesOf, { under: 'one change' }]
    ] as const) {
      const marked = items.map((i) => ({ ...i, ...mark }))
      const together = scoreTargets(model, marked, given)
      const alone = (some: typeof items) => some.flatMap((i) => scoreTargets(model, [i], given))
      expect(largestDifference(numbers(together), numbers(alone(items)))).toBeLessThan(1e-4)
      expect(together.every((s) => s.finite)).toBe(true)
      const shared = countMatmulFlops(() => scoreTargets(model, marked.slice(0, targets.length), given))
      expect(shared.flops).toBeLessThan(0.8 * countMatmulFlops(() => alone(ofLongest)).flops)
    }
    // What is not said to be changed by the same thing is not put together.
    const each: number[][] = []
    scoreTargets(model, items, (rows) => {
      each.push([...rows])
      return new Map()
    })
    expect(each.flat().sort((a, b) => a - b)).toEqual([...items.keys()])
  })

  test('a teacher-forced target is right exactly when greedy decoding gives it', () => {
    const continuations = continued(model, rows(prompts), { maxNewTokens: 4 })
    const items = prompts.map((prompt, i) => ({ prompt, target: continuations[i]! }))
    for (const [i, score] of scoreTargets(model, items).entries()) {
      expect(score.argmax).toEqual(continuations[i])
      const other = continuations[i]!.map((id) => (id + 1) % 384)
      expect(scoreTargets(model, [{ prompt: prompts[i]!, target: other }])[0]!.argmax).not.toEqual(other)
    }
  })

  test('a pass leaves no tensor and no buffer behind', () => {
    const pass = () => logitsOf(model, prompts)
    pass()
    const before = tf.memory() as tf.MemoryInfo & { liveBytes: number }
    pass()
    continued(model, rows(prompts), { maxNewTokens: 3 })
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
  const pass = (options: ForwardOptions) => tf.tidy(() => void model.forward(padBatch([[1, 2, 3]]), options))
  const change = (site: string, to?: number) => ({
    changes: new Map([[site, (_: tf.Tensor3D, y: tf.Tensor3D) => y]]),
    ...(to === undefined ? {} : { to })
  })

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
    ['a mistyped change', change('layer.1.out'), /does not come by the site 'layer\.1\.out'/],
    [
      'a change of a block the model does not have',
      change('layers.9.mlp'),
      /does not come by the site 'layers\.9\.mlp'/
    ],
    ['a change of a norm, which is no site', change('layers.1.norm'), /does not come by the site 'layers\.1\.norm'/]
  ])('%s', (_, options, message) => expect(() => pass(options)).toThrow(message))

  test.each(['layers.2.mlp', 'layers.2.mlp:in', 'layers.2.attn.q', 'layers.2.mlp.proj:in', 'layers.2.out', 'head'])(
    'but not a change at %s, where a pass that stops before does not come by',
    (site) => expect(() => pass(change(site, 2))).not.toThrow()
  )

  test('logits that are no numbers', () => {
    const forward = () => ({ hidden: tf.scalar(0), logits: tf.fill([2, 384], Number.NaN), captured: {} })
    const unwell = Object.assign(Object.create(model) as LanguageModel, { forward, name: 'unwell' })
    const items = [{ prompt: [1, 2], target: [3] }]
    expect(() => scoreTargets(unwell, items)).toThrow(/logits of the model unwell are not finite/)
    expect(scoreTargets(unwell, items, () => new Map())[0]!.finite).toBe(false)
    expect(() => continued(unwell, rows([[1, 2]]), { maxNewTokens: 2 })).toThrow(
      /logits of the model unwell are not finite/
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
