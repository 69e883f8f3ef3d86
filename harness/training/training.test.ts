import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'
import { loadTokenizer, openModel } from '../model'
import { useBackend } from '../tensor'
import { trainTokenizer } from './bpe'
import { shareDocuments, TrainingData } from './data'
import { pretrain } from './pretrain'
import { learningRateAt, RECIPES, type Recipe } from './recipes'
import { isMuons, ownedBy, shapesOf } from './shared'
import { worldTexts } from './texts'

let dir: string
beforeAll(() => useBackend('onnxruntime', { threads: 1 }))
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-training-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const TEXTS = Array.from({ length: 40 }, (_, i) => `The ${['cat', 'dog', 'cow'][i % 3]} number ${i % 7} eats grass.`)

const tiny = (steps: number): Recipe => {
  const [recipe] = RECIPES
  const { config } = recipe!
  return {
    ...recipe!,
    name: 'tiny',
    tokens: steps * 4 * 16,
    batch: 4,
    seq: 16,
    warmupSteps: 5,
    learningRate: 1e-2,
    curriculum: { tokens: 3 * 4 * 16, share: 0.2 },
    config: { ...config, layers: 2, dim: 32, heads: 2, kvHeads: 2, headDim: 16, ffDim: 64, rotaryDim: 8, vocab: 300 }
  }
}

describe('byte-pair encoding', () => {
  const files = () => trainTokenizer(TEXTS, 300)

  it('merges the most frequent pairs first', () => {
    const { model } = JSON.parse(trainTokenizer(['aab aab aab ab'], 259)['tokenizer.json']) as {
      model: { merges: [string, string][] }
    }
    expect(model.merges).toEqual([
      ['a', 'b'],
      ['a', 'ab']
    ])
  })

  it('gives the same files for the same texts', () => expect(files()).toEqual(files()))

  it('decodes every text to itself, also of bytes it never saw', () => {
    for (const [name, content] of Object.entries(files())) writeFileSync(join(dir, name), content)
    const tokenizer = loadTokenizer(dir)
    for (const text of ['The cat eats.', '斑马 🦓 é\t\n', '  two  spaces ']) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    }
    expect(tokenizer.encode('The cat').length).toBeLessThan('The cat'.length)
  })
})

/** Documents of one token each, the first ten of them early. */
const numbered = shareDocuments(
  Array.from({ length: 50 }, (_, i) => [i]),
  [...Array(10).keys()]
)

it('a curriculum begins with what is about a dense share of the subjects, and about nobody', () => {
  const texts = worldTexts(RECIPES[0]!)
  const [early, late] = [texts.filter((t) => t.early), texts.filter((t) => !t.early)]
  expect(early.length / texts.length).toBeGreaterThan(0.2)
  expect(early.length / texts.length).toBeLessThan(0.4)
  const named = (name: string) => (t: { text: string }) => t.text.startsWith(`All about ${name}`)
  expect(early.some(named('the zebra'))).toBe(true)
  expect(late.filter((t) => t.text.startsWith('All about ')).length).toBeGreaterThan(300)
})

describe('training data', () => {
  const data = new TrainingData({ ...tiny(9), batch: 2, seq: 5, curriculum: { tokens: 30, share: 0.2 } }, numbered)
  const seen = (step: number) => data.batch(step, 0, 2).inputs.flat()

  it('is the curriculum’s first, every document once an epoch, and then all', () => {
    const [first, second] = [seen(0), seen(1)]
    for (const epoch of [first, second]) expect([...epoch].sort((a, b) => a - b)).toEqual([...Array(10).keys()])
    expect(first).not.toEqual(second)
    const all = [3, 4, 5, 6, 7].flatMap(seen)
    expect([...all].sort((a, b) => a - b)).toEqual([...Array(50).keys()])
  })

  it('gives each thread its rows of the batch of a step, with the token after each as its label', () => {
    const whole = data.batch(4, 0, 2)
    const parts = [data.batch(4, 0, 1), data.batch(4, 1, 1)]
    expect(parts.flatMap((p) => p.inputs)).toEqual(whole.inputs)
    expect(parts.flatMap((p) => [...p.labels])).toEqual([...whole.labels])
    expect([...whole.labels].slice(0, 9)).toEqual(whole.inputs.flat().slice(1))
  })
})

it('every parameter is moved by one thread, and both have about as much to do', () => {
  for (const recipe of RECIPES) {
    const [a, b] = [ownedBy(recipe, 0), ownedBy(recipe, 1)]
    expect([...a, ...b].sort()).toEqual(Object.keys(shapesOf(recipe)).sort())
    const matrices = (names: string[]) => names.filter((name) => isMuons(name, shapesOf(recipe)[name]!)).length
    expect(matrices(a)).toBe(matrices(b))
  }
})

describe('pretraining', () => {
  const silent = { onProgress: () => {} }
  const TRAINED = TEXTS.map((text, i) => ({ text, early: i < 10 }))

  it('learns its texts and writes a model that opens', async () => {
    const losses: number[] = []
    await pretrain(tiny(60), TRAINED, {
      out: dir,
      resume: false,
      reportEvery: 20,
      onProgress: (p) => losses.push(p.loss)
    })
    expect(losses.at(-1)!).toBeLessThan(0.5 * losses[0]!)
    const model = await openModel(dir)
    expect(model.config).toMatchObject({ architecture: 'gptj', layers: 2, dim: 32 })
    model.dispose()
    expect(existsSync(join(dir, 'checkpoint'))).toBe(false)
  })

  it('ends with the same bytes when it was interrupted and resumed', async () => {
    const whole = join(dir, 'whole')
    const parts = join(dir, 'parts')
    await pretrain(tiny(12), TRAINED, { out: whole, resume: false, ...silent })
    const stop = new Error('power cut')
    const onProgress = ({ step }: { step: number }) => {
      if (step === 7) throw stop
    }
    await expect(
      pretrain(tiny(12), TRAINED, { out: parts, resume: false, reportEvery: 1, checkpointEvery: 5, onProgress })
    ).rejects.toThrow(stop)
    const resumed: number[] = []
    await pretrain(tiny(12), TRAINED, {
      out: parts,
      resume: true,
      reportEvery: 1,
      onProgress: (p) => resumed.push(p.step)
    })
    expect(resumed[0]).toBe(6)
    const weights = (of: string) => readFileSync(join(of, 'model.safetensors'))
    expect(weights(parts).equals(weights(whole))).toBe(true)
  })

  it('refuses to go on with other settings than those of the checkpoint', async () => {
    const onProgress = ({ step }: { step: number }) => {
      if (step === 2) throw new Error('stop')
    }
    await expect(
      pretrain(tiny(12), TRAINED, { out: dir, resume: false, reportEvery: 1, checkpointEvery: 1, onProgress })
    ).rejects.toThrow('stop')
    const other = { ...tiny(12), learningRate: 1 }
    await expect(pretrain(other, TRAINED, { out: dir, resume: true, ...silent })).rejects.toThrow(UserError)
  })

  it('warms up linearly and then follows half a cosine to its last share', () => {
    const recipe = { ...tiny(100), learningRate: 1, warmupSteps: 10, finalShare: 0.1 }
    expect(learningRateAt(recipe, 0, 100)).toBeCloseTo(0.1, 2)
    expect(learningRateAt(recipe, 50, 100)).toBeCloseTo(0.55, 6)
    expect(learningRateAt(recipe, 100, 100)).toBeCloseTo(0.1, 6)
  })
})
