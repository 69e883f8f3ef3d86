import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'
import { loadTokenizer, openModel } from '../model'
import { useBackend } from '../tensor'
import { trainTokenizer } from './bpe'
import { learningRateAt, pretrain } from './pretrain'
import { RECIPES, type Recipe } from './recipes'

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

describe('pretraining', () => {
  const silent = { onProgress: () => {} }

  it('learns its texts and writes a model that opens', async () => {
    const losses: number[] = []
    pretrain(tiny(60), TEXTS, { out: dir, resume: false, reportEvery: 20, onProgress: (p) => losses.push(p.loss) })
    expect(losses.at(-1)!).toBeLessThan(0.5 * losses[0]!)
    const model = await openModel(dir)
    expect(model.config).toMatchObject({ architecture: 'gptj', layers: 2, dim: 32 })
    model.dispose()
    expect(existsSync(join(dir, 'checkpoint'))).toBe(false)
  })

  it('ends with the same bytes when it was interrupted and resumed', () => {
    const whole = join(dir, 'whole')
    const parts = join(dir, 'parts')
    pretrain(tiny(12), TEXTS, { out: whole, resume: false, ...silent })
    const stop = new Error('power cut')
    const onProgress = ({ step }: { step: number }) => {
      if (step === 7) throw stop
    }
    expect(() =>
      pretrain(tiny(12), TEXTS, { out: parts, resume: false, reportEvery: 1, checkpointEvery: 5, onProgress })
    ).toThrow(stop)
    const resumed: number[] = []
    pretrain(tiny(12), TEXTS, { out: parts, resume: true, reportEvery: 1, onProgress: (p) => resumed.push(p.step) })
    expect(resumed[0]).toBe(6)
    const weights = (of: string) => readFileSync(join(of, 'model.safetensors'))
    expect(weights(parts).equals(weights(whole))).toBe(true)
  })

  it('refuses to go on with other settings than those of the checkpoint', () => {
    const onProgress = ({ step }: { step: number }) => {
      if (step === 2) throw new Error('stop')
    }
    expect(() =>
      pretrain(tiny(12), TEXTS, { out: dir, resume: false, reportEvery: 1, checkpointEvery: 1, onProgress })
    ).toThrow('stop')
    const other = { ...tiny(12), learningRate: 1 }
    expect(() => pretrain(other, TEXTS, { out: dir, resume: true, ...silent })).toThrow(UserError)
  })

  it('warms up linearly and then follows half a cosine to its last share', () => {
    const recipe = { ...tiny(100), learningRate: 1, warmupSteps: 10, finalShare: 0.1 }
    expect(learningRateAt(recipe, 0, 100)).toBeCloseTo(0.1, 2)
    expect(learningRateAt(recipe, 50, 100)).toBeCloseTo(0.55, 6)
    expect(learningRateAt(recipe, 100, 100)).toBeCloseTo(0.1, 6)
  })
})
