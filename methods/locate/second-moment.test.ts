import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { encodePrompt, type LanguageModel, openModel, padBatch } from '../../harness/model'
import { randomStream } from '../../harness/random'
import { useBackend, valuesOf } from '../../harness/tensor'
import { Cholesky, norm } from '../../harness/tensor/linalg'
import { contextOf } from '../context'
import type { PrepareContext } from '../types'
import { secondMoment, secondMoments } from './second-moment'

let model: LanguageModel
let cacheDir: string
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
  cacheDir = mkdtempSync(join(tmpdir(), 'bench-moment-'))
})
afterAll(() => {
  model.dispose()
  rmSync(cacheDir, { recursive: true, force: true })
})

const site = 'layers.1.mlp.proj'
const random = randomStream(0, 'moment test')
const documents = Array.from({ length: 120 }, () => Array.from({ length: 9 }, () => random.integer(1000)).join(' '))
const context = (id: string, logs: string[] = []): PrepareContext =>
  contextOf({
    cacheDir,
    log: (message) => logs.push(message),
    corpus: { id, documents: () => documents }
  })
const everything = { tokens: 1e9, ridge: 0 }

it('is the mean of the keys’ outer products over all tokens', () => {
  const n = model.config.ffDim
  const sum = new Float64Array(n * n)
  let tokens = 0
  for (const text of documents) {
    const ids = encodePrompt(model.tokenizer, text)
    const { captured, hidden } = model.forward(padBatch([ids]), { to: 2, capture: [`${site}:in`] })
    const keys = captured[`${site}:in`]!.dataSync()
    tf.dispose([...Object.values(captured), hidden])
    for (let t = 0; t < ids.length; t++, tokens++)
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sum[i * n + j]! += keys[t * n + i]! * keys[t * n + j]!
  }
  const naive = new Cholesky(
    sum.map((x) => x / tokens),
    n
  )
  const b = Float64Array.from({ length: n }, (_, i) => Math.cos(i))
  const wanted = naive.solve(b)
  const got = secondMoment(model, site, everything, context('a')).factor.solve(b)
  expect(norm(got.map((x, i) => x - wanted[i]!)) / norm(wanted)).toBeLessThan(1e-2)
})

it('comes from the cache the next time, and says so; it is made anew for another corpus', () => {
  const files = () => readdirSync(join(cacheDir, 'second-moments'))
  const how = (id: string, logs: string[] = []) => {
    const said: string[] = []
    secondMoment(model, site, everything, {
      ...context(id, logs),
      onSetup: (what, h) => void said.push(`${what} ${h}`)
    })
    return said
  }
  how('a')
  expect(how('a')).toEqual(['second moment of layers.1.mlp.proj cached'])
  expect(files()).toHaveLength(1)
  const logs: string[] = []
  expect(how('b', logs)).toEqual(['second moment of layers.1.mlp.proj computed'])
  expect(files()).toHaveLength(2)
  expect(logs).toEqual([expect.stringContaining('second moment of layers.1.mlp.proj over')])
})

it('is another one on another backend: whoever fills the cache decides no answers', async () => {
  const files = () => readdirSync(join(cacheDir, 'second-moments')).length
  const before = files()
  await useBackend('cpu')
  const other = await openModel(join(__dirname, '../../harness/model/golden/gptj'))
  try {
    secondMoment(other, site, { tokens: 200, ridge: 1e-3 }, context('a'))
    const afterCpu = files()
    await useBackend('onnxruntime', { threads: 1 })
    secondMoment(model, site, { tokens: 200, ridge: 1e-3 }, context('a'))
    expect([afterCpu - before, files() - before]).toEqual([1, 2])
  } finally {
    await useBackend('cpu')
    other.dispose()
    await useBackend('onnxruntime', { threads: 1 })
  }
})

it('has its ridge on the diagonal, a share of its mean', () => {
  const n = model.config.ffDim
  const solve = (ridge: number) => {
    const { factor } = secondMoment(model, site, { tokens: 1e9, ridge }, context('ridge'))
    return (b: Float64Array) => factor.solve(b)
  }
  const [plain, ridged] = [solve(0), solve(0.5)]
  const b = Float64Array.from({ length: n }, (_, i) => Math.cos(i))
  const x = ridged(b)
  // (C + r·I)x = b, so C⁻¹(b - r·x) = x; and r is half the mean of C's diagonal, Σ 1/C⁻¹… found from the solution itself.
  const r = rOf(plain, b, x)
  expect(r).toBeGreaterThan(0)
  expect(norm(plain(b.map((v, i) => v - r * x[i]!)).map((v, i) => v - x[i]!)) / norm(x)).toBeLessThan(1e-3)
  const diagonal = meanSquare()
  expect(r / (0.5 * diagonal)).toBeCloseTo(1, 2)
})

/** The r for which C⁻¹(b - r·x) is nearest to x. */
function rOf(solve: (b: Float64Array) => Float64Array, b: Float64Array, x: Float64Array): number {
  const [p, q] = [solve(b), solve(x)]
  const d = p.map((v, i) => v - x[i]!)
  return d.reduce((sum, v, i) => sum + v * q[i]!, 0) / q.reduce((sum, v) => sum + v * v, 0)
}

/** Mean of the keys' squares over tokens and dimensions. */
function meanSquare(): number {
  let [sum, count] = [0, 0]
  for (const text of documents) {
    const ids = encodePrompt(model.tokenizer, text)
    const { captured, hidden } = model.forward(padBatch([ids]), { to: 2, capture: [`${site}:in`] })
    for (const value of captured[`${site}:in`]!.dataSync()) {
      sum += value * value
      count++
    }
    tf.dispose([...Object.values(captured), hidden])
  }
  return sum / count
}

it('of a wide key is read from its tensor without walking through it', () => {
  expect(valuesOf(() => tf.ones([6200, 6200]))).toHaveLength(6200 ** 2)
})

it('says what to do when there is no corpus, or too little of it', () => {
  const { corpus: _, ...none } = context('a')
  expect(() => secondMoment(model, site, everything, none)).toThrow(/needs a text corpus/)
  expect(() => secondMoment(model, site, { ...everything, instead: 'or do without' }, none)).toThrow(
    expect.objectContaining({ hint: expect.stringMatching(/corpus: FILE[\s\S]*or do without/) })
  )
  const little = { ...none, corpus: { id: 'little', documents: () => ['one two'] } }
  expect(() => secondMoment(model, site, everything, little)).toThrow(/fewer than the \d+ dimensions of a key/)
})

it('leaves no tensor behind', () => {
  const before = tf.memory().numTensors
  secondMoment(model, site, everything, context('leak'))
  expect(tf.memory().numTensors).toBe(before)
})

describe('several sites', () => {
  const sites = ['layers.0.mlp.proj', site]
  const matrices = (some: readonly string[], id: string) =>
    secondMoments(model, some, everything, context(id)).map((m) => m.matrix)

  it('are computed in one pass, to the same numbers; those that are there are not computed again', () => {
    const said: string[] = []
    const of = (some: readonly string[]) =>
      secondMoments(model, some, everything, {
        ...context('sites'),
        onSetup: (what, how) => void said.push(`${what} ${how}`)
      })
    of(sites.slice(0, 1))
    const [first, second] = of(sites)
    expect(said.map((s) => s.split(' ').at(-1))).toEqual(['computed', 'cached', 'computed'])
    const alone = matrices([site], 'alone')[0]!
    expect(norm(second!.matrix.map((x, i) => x - alone[i]!)) / norm(alone)).toBeLessThan(1e-6)
    expect(first!.matrix).not.toEqual(second!.matrix)
  })

  it('go on after an interruption, to the last bit', () => {
    const fresh = matrices(sites, 'uninterrupted')
    let passes = 0
    const interrupted = Object.create(model) as LanguageModel
    const stopping = (at: number) => {
      passes = 0
      interrupted.forward = (batch, options) => {
        if (++passes > at) throw new Error('stopped')
        return model.forward(batch, options)
      }
    }
    const clock = jest.spyOn(performance, 'now')
    let now = 0
    // Every batch takes a minute.
    clock.mockImplementation(() => (now += 60_000))
    stopping(2)
    expect(() => secondMoments(interrupted, sites, everything, context('cut'))).toThrow('stopped')
    stopping(1e9)
    const logs: string[] = []
    const resumed = secondMoments(interrupted, sites, everything, context('cut', logs)).map((m) => m.matrix)
    clock.mockRestore()
    expect(logs[0]).toContain('goes on')
    expect(resumed).toEqual(fresh)
    expect(readdirSync(join(cacheDir, 'second-moments')).filter((f) => f.endsWith('.partial'))).toEqual([])
  })
})
