import * as tf from '@tensorflow/tfjs-core'
import type { EditCase, Probe } from '../../datasets/types'
import { type Edit, generateEdited, scoreEdited } from '../edit'
import {
  type ChangesOf,
  continued,
  encodePrompt,
  encodeTarget,
  type GenerateOptions,
  type LanguageModel,
  openModel,
  scoreTargets,
  type ToContinue,
  type ToScore
} from '../model'
import { randomStream } from '../random'
import { useBackend } from '../tensor'
import { goesOnInWord, isSameAnswer, wordsOf } from './answers'
import { bitsPerByte, choiceAccuracy, generalDivergence } from './measures/general'
import { perplexity } from './measures/perplexity'
import { probability } from './measures/probability'
import { divergence } from './measures/sentiment'
import type { Remember } from './remember'
import { askBase, askEdited, type ScoreOptions, tooLong } from './score-cases'

let model: LanguageModel
const options = { localityTokens: 6, measures: [probability] }
const ASKING = { setting: 's', held: 1 }

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
})
afterAll(() => model.dispose())

const probe = (change: Partial<Probe>): Probe => ({
  property: 'accuracy',
  kind: 'rewrite',
  prompt: 'The zebra eats',
  expected: ['seeds'],
  ...change
})
const caseOf = (id: string, ...probes: Probe[]): EditCase => ({
  id,
  requests: [{ prompt: 'The zebra eats', subject: 'zebra', target: 'fish' }],
  place: '',
  probes
})
/** A change of W_proj that has an effect on everything. */
function noise(size: number): Edit {
  const { dim, ffDim } = model.config
  const random = randomStream(0, 'score test')
  const draw = (n: number) => Float32Array.from({ length: n }, () => size * random.normal())
  return {
    method: 'noise',
    requests: [],
    parts: [
      { kind: 'low-rank', site: 'layers.2.mlp.proj', rank: 1, out: dim, in: ffDim, u: draw(dim), v: draw(ffDim) }
    ],
    diagnostics: {}
  }
}

const PROMPTS = ['The zebra eats', 'What is the main food of the otter?', 'The lion lives in', 'Two boys ran']

it('calls an answer right if and only if greedy decoding gives exactly it, edited or not', () => {
  const edit = noise(0.5)
  const ask = (e?: Edit) =>
    generateEdited(
      model,
      PROMPTS.map((prompt) => ({ prompt, edit: e })),
      { maxNewTokens: 8 }
    ).map((ids) => model.tokenizer.decode(ids).trim())
  const [before, after] = [ask(), ask(edit)]
  const answers = [...before, ...after].map((text) => text.split(/[.?]/)[0]!.trim())
  const candidates = [...new Set([...answers, 'seeds', 'savanna'])].filter((c) => c !== '')
  const probes = PROMPTS.flatMap((prompt) => candidates.map((c) => probe({ prompt, expected: [c] })))
  const [only] = [caseOf('1', ...probes)]
  const { rows } = askEdited(model, askBase(model, [only], options), [edit], ASKING)
  expect(rows).toHaveLength(probes.length)
  for (const [i, { exactBefore, exactAfter }] of rows.entries()) {
    const said = Math.floor(i / candidates.length)
    const wanted = candidates[i % candidates.length]!
    const starts = (text: string) =>
      encodeTarget(model.tokenizer, wanted).every((id, j) => id === encodeTarget(model.tokenizer, text)[j])
    expect(exactBefore).toBe(starts(before[said]!))
    expect(exactAfter).toBe(starts(after[said]!))
  }
  expect(rows.some((r) => r.exactBefore)).toBe(true)
})

it('takes the accepted answer that fits best', () => {
  const base = askBase(model, [caseOf('1', probe({ expected: ['tractor', 'seeds'] }))], options)
  const [row] = askEdited(model, base, [noise(0)], ASKING).rows
  expect(row).toMatchObject({ expected: 'seeds', exactBefore: true, exactAfter: true })
})

it('compares locality with the unedited model’s own answer, up to the end of its sentence', () => {
  const same = probe({ property: 'locality', kind: 'neighbourhood', expected: 'same-as-before' })
  const base = askBase(model, [caseOf('1', same)], options)
  const [kept] = askEdited(model, base, [noise(0)], ASKING).rows
  expect(kept).toMatchObject({ expected: 'seeds', exactBefore: true, exactAfter: true, shareAfter: 1 })
  const [lost] = askEdited(model, base, [noise(30)], ASKING).rows
  expect(lost).toMatchObject({ exactBefore: true, exactAfter: false })
})

it('takes an answer for the same whatever ends it', () => {
  const { tokenizer } = model
  const [seeds, fish, stop] = [tokenizer.encode(' seeds'), tokenizer.encode(' fish'), tokenizer.encode('.')]
  const end = [tokenizer.endOfText]
  const same = (answer: number[][], said: number[][]) => isSameAnswer(tokenizer, answer.flat(), said.flat())
  expect(same([seeds, stop], [seeds, stop])).toBe(true)
  expect(same([seeds, stop], [seeds, end])).toBe(true)
  expect(same([seeds, end], [seeds, stop])).toBe(true)
  expect(same([seeds, stop], [seeds, tokenizer.encode(' and')])).toBe(false)
  expect(same([seeds, stop], [fish, stop])).toBe(false)
  expect(same([seeds, fish], [seeds, end])).toBe(false)
})

it('compares the likelihoods of two continuations, lower when worse', () => {
  const base = askBase(model, [caseOf('1', probe({ compare: { better: 'seeds', worse: 'fish' } }))], options)
  const [row] = askEdited(model, base, [noise(0)], ASKING).rows
  expect(row!.scores['better_nll.before']!).toBeLessThan(row!.scores['worse_nll.before']!)
  expect(row!.scores['better_nll.after']).toBeCloseTo(row!.scores['better_nll.before']!, 4)
})

it('has no rows for a case whose edit failed, and scores every case under its own edit', () => {
  const cases = [caseOf('a', probe({})), caseOf('b', probe({})), caseOf('c', probe({}))]
  const { rows } = askEdited(model, askBase(model, cases, options), [noise(0), undefined, noise(30)], ASKING)
  expect(rows.map((r) => [r.caseId, r.exactAfter])).toEqual([
    ['a', true],
    ['c', false]
  ])
})

it('asks the unedited model what a question takes for granted', () => {
  const needs = (expected: string) => ({
    prompt: 'What is the main food of the zebra?',
    expected: ['tractor', expected]
  })
  const probes = [probe({ needs: needs('seeds') }), probe({ needs: needs('fish') }), probe({})]
  const { rows } = askEdited(model, askBase(model, [caseOf('1', ...probes)], options), [noise(30)], ASKING)
  expect(rows.map((r) => [r.exactAfter, r.scores.base_knows])).toEqual([
    [false, 1],
    [false, 0],
    [false, undefined]
  ])
})

it('says which case is too long for the model', () => {
  const long = probe({ prompt: 'grass '.repeat(300) })
  expect(tooLong(model, caseOf('1', long), options)).toMatch(/longer than the model's 256 positions/)
  expect(tooLong(model, caseOf('1', probe({})), options)).toBeUndefined()
})

describe('what is stored as said', () => {
  const prompts = [...PROMPTS, 'The mother tongue of the zebra is', 'A dog', 'Where does the lion live?']
  const kinds = (prompt: string) => [
    probe({ prompt, expected: ['seeds', 'savanna'] }),
    probe({ prompt, property: 'locality', kind: 'unrelated', expected: 'same-as-before' })
  ]

  it('is what the models say themselves, up to a natural stop, right or wrong', () => {
    const edits = [noise(0.5), noise(3)]
    const cases = ['a', 'b'].map((id) => caseOf(id, ...prompts.flatMap(kinds)))
    const { rows } = askEdited(model, askBase(model, cases, options), edits, ASKING)
    const say = (prompt: string, edit?: Edit) => {
      const ids = encodePrompt(model.tokenizer, prompt)
      const [said] = generateEdited(model, [{ prompt, edit }], { maxNewTokens: 6 })
      return wordsOf(model.tokenizer, ids, said!).trim()
    }
    for (const row of rows) {
      const edit = edits[row.caseId === 'a' ? 0 : 1]!
      // A longer answer is told up to its own end, a wrong one as far as answers are shown.
      const [before, after] = [say(row.prompt), say(row.prompt, edit)]
      expect([row.prompt, row.before, row.after]).toEqual([row.prompt, before, after])
    }
    expect(new Set(rows.map((r) => `${r.exactAfter}`)).size).toBe(2)
  })

  it('is generated with each row’s own edit, dense ones too', () => {
    const { dim, ffDim } = model.config
    const delta = Float32Array.from({ length: dim * ffDim }, (_, i) => 3 * Math.sin(i * i))
    const dense: Edit = {
      ...noise(0),
      parts: [{ kind: 'dense', site: 'layers.2.mlp.proj', out: dim, in: ffDim, delta }]
    }
    const cases = ['a', 'b', 'c'].map((id) => caseOf(id, probe({ expected: ['no such answer'] })))
    const { rows } = askEdited(model, askBase(model, cases, options), [dense, noise(0), noise(3)], ASKING)
    expect(rows[1]!.after).toBe(rows[1]!.before)
    expect(rows[0]!.after).not.toBe(rows[1]!.after)
    expect(rows[2]!.after).not.toBe(rows[1]!.after)
  })
})

describe('a right answer', () => {
  /** A model whose greedy decoding gives this text after every prompt, whatever the edit. */
  function saying(text: string): LanguageModel {
    const { tokenizer } = model
    const ids = [...tokenizer.encode(` ${text}`), tokenizer.endOfText]
    const start = encodePrompt(tokenizer, 'The zebra eats').length
    const forward: LanguageModel['forward'] = (batch, forwardOptions = {}) => {
      const result = model.forward(batch, forwardOptions)
      const at = forwardOptions.logitsAt!
      const past = forwardOptions.past?.past ?? 0
      result.logits!.dispose()
      const wanted = [...at.positions].map((position) => ids[past + position - start + 1] ?? tokenizer.endOfText)
      const logits = tf.oneHot(tf.tensor1d(wanted, 'int32'), model.config.vocab).mul(30) as tf.Tensor2D
      return { ...result, logits }
    }
    const { config } = model
    const said = { forward, config, tokenizer, name: 'saying', weightShape: (name: string) => model.weightShape(name) }
    const asked = Object.assign(Object.create(model) as LanguageModel, said)
    return Object.assign(asked, {
      score: (items: readonly ToScore[], changesOf?: ChangesOf) =>
        scoreTargets(
          asked,
          items.map((i) => ({ ...i, prompt: encodePrompt(tokenizer, i.prompt) })),
          changesOf
        ),
      generate: (items: readonly ToContinue[], generateOptions: GenerateOptions) =>
        continued(
          asked,
          items.map(({ prompt, said = [] }) => ({ prompt: encodePrompt(tokenizer, prompt), said })),
          generateOptions
        )
    })
  }
  const askProbe = (text: string, asked: Probe, more: Partial<ScoreOptions> = {}) => {
    const said = saying(text)
    return askEdited(said, askBase(said, [caseOf('1', asked)], { ...options, ...more }), [noise(0)], ASKING).rows[0]!
  }
  const ask = (text: string, expected: string) => askProbe(text, probe({ expected: [expected] }))

  it('of a model that thinks aloud is what it says after the words that announce it', () => {
    const asked = probe({
      expected: ['fish', 'grass'],
      answersAfter: 'Answer:',
      needs: { prompt: 'x', expected: ['fish'] }
    })
    const thought = 'It likes fish.\nAnswer: grass\nMore'
    expect(askProbe(thought, asked)).toMatchObject({
      ...{ expected: 'grass', before: 'grass', after: 'grass', exactBefore: true, exactAfter: true, shareAfter: 1 },
      scores: { base_knows: 0 }
    })
    expect(askProbe('grass', asked)).toMatchObject({ after: '', exactAfter: false, shareAfter: 0, expected: 'fish' })
    expect(askProbe('Answer: grass and more', asked)).toMatchObject({ after: 'grass and more', exactAfter: false })
  })

  it('given freely is compared by its words, up to the end of the sentence', () => {
    const freeAnswers = { context: 'question', maxTokens: 24 } as const
    const row = askProbe('the Grass. The lion', probe({ expected: ['fish', 'grass!'] }), { freeAnswers })
    expect(row).toMatchObject({ freeBefore: 'the Grass', freeAfter: 'the Grass', exactAfter: false })
    expect(row.scores).toMatchObject({ 'free.before': 1, 'free.after': 1 })
    const longer = askProbe('grass and fish. The lion', probe({ expected: ['grass'] }), { freeAnswers })
    expect(longer.scores).toMatchObject({ 'free.before': 0, 'free.after': 0 })
    expect(askProbe('grass', probe({ expected: ['grass'] }))).toMatchObject({ freeBefore: null, freeAfter: null })
  })

  it.each([
    ['ends there', 'grass', 'grass', { exactAfter: true, longerAfter: false, after: 'grass' }],
    ['ends with its sentence', 'grass. The lion', 'grass', { exactAfter: true, longerAfter: false, after: 'grass' }],
    [
      'may go on with other words, which is said',
      'grass and fish.',
      'grass',
      { exactAfter: true, longerAfter: true, after: 'grass and fish' }
    ],
    ['does not go on inside the same word', 'grassland.', 'grass', { exactAfter: false, after: 'grassland' }],
    ['holds its own full stops', 'St. Mary.', 'St. Mary', { exactAfter: true, longerAfter: false, after: 'St. Mary' }],
    ['is all of what is expected', 'grass.', 'grass and fish', { exactAfter: false, after: 'grass' }]
  ])('%s', (_, text, expected, row) => expect(ask(text, expected)).toMatchObject({ ...row, expected }))

  it('goes on inside a word only where words are told apart by spaces', () => {
    const at = (target: string, next: string) => {
      const [ids, after] = [model.tokenizer.encode(target), model.tokenizer.encode(next)]
      return goesOnInWord(model.tokenizer, [], ids, after[0]!)
    }
    expect([at(' nur', 'sery'), at(' Mara', ' Group'), at(' Mara', '.'), at(' 19', '84')]).toEqual([
      true,
      false,
      false,
      true
    ])
    expect(goesOnInWord(model.tokenizer, [], model.tokenizer.encode(' Mara'), model.tokenizer.endOfText)).toBe(false)
  })
})

it('asks the unedited model once where it is remembered, with the same rows', () => {
  const kept = new Map<string, string>()
  let made = 0
  const remember: Remember = (what, items, make) => {
    const key = JSON.stringify([what, items])
    if (!kept.has(key)) {
      made++
      kept.set(key, JSON.stringify(make()))
    }
    return JSON.parse(kept.get(key)!)
  }
  const same = probe({ property: 'locality', kind: 'k', expected: 'same-as-before' })
  const freeAnswers = { context: 'question', maxTokens: 4 } as const
  const rows = (more: Partial<ScoreOptions>) =>
    askEdited(
      model,
      askBase(model, [caseOf('1', probe({}), same)], { ...options, freeAnswers, ...more }),
      [noise(1)],
      ASKING
    ).rows
  const fresh = rows({})
  expect([rows({ remember }), rows({ remember })]).toEqual([fresh, fresh])
  // Its thoughts, what it writes, answers, free answers and scores.
  expect(made).toBe(5)
})

it('says beside locality whether the answer is true, before and after', () => {
  const same = (truth: string[]) => probe({ property: 'locality', kind: 'hop', expected: 'same-as-before', truth })
  const cases = [caseOf('1', same(['tractor', 'seeds']), same(['tractor']))]
  const rowsOf = (size: number) => askEdited(model, askBase(model, cases, options), [noise(size)], ASKING).rows
  const known = (size: number) => rowsOf(size).map((r) => [r.scores['true.before'], r.scores['true.after']])
  expect(known(0)).toEqual([
    [1, 1],
    [0, 0]
  ])
  expect(known(30)).toEqual([
    [1, 0],
    [0, 0]
  ])
})

it('compares free answers before and after where nothing is to change, and asks in a context', () => {
  const freeAnswers = { context: 'qa', maxTokens: 6 } as const
  const same = probe({ property: 'locality', kind: 'unrelated', expected: 'same-as-before' })
  const base = askBase(model, [caseOf('1', same)], { ...options, freeAnswers })
  const [kept, lost] = [0, 30].map((size) => askEdited(model, base, [noise(size)], ASKING).rows[0]!)
  expect(kept!.scores['free.after']).toBe(1)
  expect(lost!.scores).toMatchObject({ 'free.before': 1, 'free.after': 0 })
  const prompt = 'Please answer the question:\n\nQ: The zebra eats\nA:'
  const [said] = model.generate([{ prompt }], {
    maxNewTokens: 6,
    endsWith: (id) => /[.\n]/.test(model.tokenizer.decode([id]))
  })
  expect(kept!.freeBefore).toBe(model.tokenizer.decode(said!).split(/[.\n]/)[0]!.trim())
})

it('asks about general ability by measures of its own: nothing changes where no weight does', () => {
  const [text, choice] = [
    { prompt: 'The', text: 'rain stopped in the yard before noon.' },
    { texts: ['tractor', 'seeds', 'seeds'], right: 1 }
  ]
  const general: Probe[] = [
    {
      ...{ property: 'locality', kind: 'general-text', prompt: 'The', expected: 'same-as-before' },
      ...{ gold: text.text, diverge: [text] }
    },
    probe({ property: 'locality', kind: 'general-choice', choices: choice }),
    probe({ property: 'locality', kind: 'general-choice', choices: { ...choice, right: 0 } })
  ]
  const measures = [bitsPerByte, generalDivergence, choiceAccuracy, perplexity]
  const base = askBase(model, [caseOf('1', ...general, probe({}))], { ...options, measures })
  const rows = (size: number) => askEdited(model, base, [noise(size)], ASKING).rows
  const [same, other] = [rows(0), rows(30)]
  const values = (of: typeof same, side: 'before' | 'after') => measures.map((m) => of.map((r) => m.value(r, side)))
  expect(values(same, 'after')).toEqual(values(same, 'before'))
  const [bits, kl, chosen, ppl] = values(same, 'after')
  const [scored] = model.score([{ prompt: 'The', target: encodeTarget(model.tokenizer, text.text) }])
  const nats = scored!.nll.reduce((a, b) => a + b, 0)
  expect(bits![0]).toBeCloseTo(nats / Math.LN2 / ` ${text.text}`.length, 5)
  expect([bits!.slice(1), kl, chosen]).toEqual([
    [undefined, undefined, undefined],
    [0, undefined, undefined, undefined],
    // The first of equals; and the right one need not be likely.
    [undefined, 1, 0, undefined]
  ])
  // Perplexity is about the data's own questions.
  expect(ppl!.map((x) => x === undefined)).toEqual([true, true, true, false])
  const [moreBits, moreKl] = values(other, 'after')
  expect(moreBits![0]!).toBeGreaterThan(bits![0]!)
  expect(moreKl![0]!).toBeGreaterThan(0.01)
})

it('counts what was not measured of an overflowing model against it, in a sequence', () => {
  const freeAnswers = { context: 'question', maxTokens: 6 } as const
  const texts = [{ prompt: 'The lion lives in', text: 'savanna' }]
  const same = probe({ property: 'locality', kind: 'k', expected: 'same-as-before', diverge: texts, truth: ['seeds'] })
  const base = askBase(model, [caseOf('1', same)], { ...options, measures: [divergence], freeAnswers })
  const [row] = askEdited(model, base, [noise(1e30)], { ...ASKING, brokenIsWrong: true }).rows
  expect(row!.scores).toMatchObject({ 'free.after': 0, 'true.after': 0, 'kl.after': Number.POSITIVE_INFINITY })
})

it('fails the cases whose edit leaves numbers that are none, and only those', () => {
  const cases = ['a', 'b', 'c'].map((id) => caseOf(id, probe({})))
  const { rows, broken } = askEdited(model, askBase(model, cases, options), [noise(0), noise(1e30), noise(0)], ASKING)
  expect(rows.map((r) => r.caseId)).toEqual(['a', 'c'])
  expect([...broken]).toEqual([[1, expect.stringMatching(/logits of the model edited by noise are not finite/)]])
})

it('keeps every column its own: EasyEdit’s locality share, and both likelihoods before and after', () => {
  const same = probe({ property: 'locality', kind: 'unrelated', expected: 'same-as-before', gold: 'seeds and water' })
  const compared = probe({ compare: { better: 'seeds', worse: 'fish' } })
  const edit = noise(3)
  const [lost, row] = askEdited(model, askBase(model, [caseOf('1', same, compared)], options), [edit], ASKING).rows
  const prompt = 'The zebra eats'
  const score = (text: string, e?: Edit) =>
    scoreEdited(model, [{ prompt, target: encodeTarget(model.tokenizer, text), edit: e }])[0]!
  const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length
  const [before, after] = [score('seeds and water').argmax, score('seeds and water', edit).argmax]
  expect(lost!.shareBefore).toBe(1)
  expect(lost!.shareAfter).toBe(after.filter((id, i) => id === before[i]).length / before.length)
  expect(lost!.shareAfter).toBeLessThan(1)
  expect(row!.scores['better_nll.before']).toBeCloseTo(mean(score('seeds').nll), 5)
  expect(row!.scores['worse_nll.before']).toBeCloseTo(mean(score('fish').nll), 5)
  expect(row!.scores['better_nll.after']).toBeCloseTo(mean(score('seeds', edit).nll), 4)
  expect(row!.scores['worse_nll.after']).toBeCloseTo(mean(score('fish', edit).nll), 4)
})

it('in a sequence a ruined model answers wrongly instead of failing its cases', () => {
  const same = probe({ property: 'locality', kind: 'unrelated', expected: 'same-as-before' })
  const compared = probe({ compare: { better: 'seeds', worse: 'fish' } })
  const base = askBase(model, [caseOf('a', compared, same), caseOf('b', compared)], options)
  const asking = { setting: 's', held: [1, 2], checkpoint: true, brokenIsWrong: true }
  const { rows } = askEdited(model, base, [noise(1e30), null], asking)
  expect(rows.map((r) => [r.caseId, r.exactAfter, r.shareAfter > 0, r.held, r.checkpoint])).toEqual([
    ['a', false, false, 1, true],
    ['a', false, false, 1, true],
    ['b', true, true, 2, true]
  ])
  expect(rows[0]!.scores['better_nll.after']).toBe(Number.POSITIVE_INFINITY)
  expect(probability.value(rows[0]!, 'after')).toBe(0)
})
