import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { encodePrompt, type LanguageModel, openModel, padBatch } from '../harness/model'
import { randomStream } from '../harness/random'
import { useBackend } from '../harness/tensor'
import { Cholesky, norm } from '../harness/tensor/linalg'
import { secondMoment } from './second-moment'
import type { EditContext } from './types'

let model: LanguageModel
let cacheDir: string
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel(join(__dirname, '../harness/model/golden/gptj'))
  cacheDir = mkdtempSync(join(tmpdir(), 'bench-moment-'))
})
afterAll(() => {
  model.dispose()
  rmSync(cacheDir, { recursive: true, force: true })
})

const site = 'layers.1.mlp.proj'
const random = randomStream(0, 'moment test')
const documents = Array.from({ length: 120 }, () => Array.from({ length: 9 }, () => random.integer(1000)).join(' '))
const context = (id: string, logs: string[] = []): EditContext => ({
  seed: 0,
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
  const got = secondMoment(model, site, everything, context('a')).solve(b)
  expect(norm(got.map((x, i) => x - wanted[i]!)) / norm(wanted)).toBeLessThan(1e-2)
})

it('comes from the cache the next time, and is made anew for another corpus', () => {
  const files = () => readdirSync(join(cacheDir, 'second-moments'))
  secondMoment(model, site, everything, context('a'))
  expect(files()).toHaveLength(1)
  const logs: string[] = []
  secondMoment(model, site, everything, context('b', logs))
  expect(files()).toHaveLength(2)
  expect(logs).toEqual([expect.stringContaining('second moment of layers.1.mlp.proj over')])
})

it('says what to do when there is no corpus, or too little of it', () => {
  const { corpus: _, ...none } = context('a')
  expect(() => secondMoment(model, site, everything, none)).toThrow(/needs a text corpus/)
  const little = { ...none, corpus: { id: 'little', documents: () => ['one two'] } }
  expect(() => secondMoment(model, site, everything, little)).toThrow(/fewer than the \d+ dimensions of a key/)
})

it('leaves no tensor behind', () => {
  const before = tf.memory().numTensors
  secondMoment(model, site, everything, context('leak'))
  expect(tf.memory().numTensors).toBe(before)
})
