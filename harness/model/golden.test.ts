import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { useBackend } from '../tensor'
import { disposeCache, encodePrompt, greedy, type LanguageModel, leftAlign, openModel, padBatch, scoreTargets } from '.'
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
