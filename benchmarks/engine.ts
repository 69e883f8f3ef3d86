import { parseArgs } from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import {
  attention,
  countMatmulFlops,
  crossEntropy,
  gelu,
  layerNorm,
  linear,
  mergeHeads,
  rotary,
  splitHeads,
  useBackend,
  valuesOf
} from '../harness/tensor'
import type { OrtBackend } from '../harness/tensor/onnxruntime/backend'
import { sgemmRate } from '../harness/tensor/sgemm'

/*
 * Forward and backward through a GPT-J-shaped stack of the embedded model's size, as training does it (all weights) and as
 * ROME and FT do it (a few small rows). What counts is the rate of matrix FLOPs next to what a bare product reaches here, in the
 * same minute: `npm run bench:engine -- [--threads N]`
 */

const LAYERS = 6
const DIM = 192
const FF = 768
const HEADS = 6
const VOCAB = 2048
const ROTARY = 32

type Weights = Record<string, tf.Tensor>

function makeWeights(): Weights {
  const normal = (...shape: number[]) => tf.randomNormal(shape, 0, 0.02)
  const weights: Weights = { embed: normal(VOCAB, DIM), head: normal(VOCAB, DIM), headBias: normal(VOCAB) }
  for (let i = 0; i < LAYERS; i++) {
    weights[`${i}.gain`] = tf.ones([DIM])
    weights[`${i}.shift`] = tf.zeros([DIM])
    for (const name of ['q', 'k', 'v', 'o']) weights[`${i}.${name}`] = normal(DIM, DIM)
    weights[`${i}.fc`] = normal(FF, DIM)
    weights[`${i}.fcBias`] = normal(FF)
    weights[`${i}.proj`] = normal(DIM, FF)
    weights[`${i}.projBias`] = normal(DIM)
  }
  return weights
}

/** GPT-J: attention and MLP side by side on one normalised input. */
function loss(
  w: Weights,
  ids: tf.Tensor1D,
  labels: tf.Tensor1D,
  batch: number,
  seq: number,
  delta?: tf.Tensor
): tf.Scalar {
  const get = <T extends tf.Tensor>(name: string) => w[name] as T
  const matrix = (name: string) => get<tf.Tensor2D>(name)
  const vector = (name: string) => get<tf.Tensor1D>(name)
  const angles = tf
    .range(0, seq)
    .reshape([1, seq, 1])
    .mul(tf.ones([batch, 1, ROTARY / 2]).mul(0.1))
  const cos = angles.cos() as tf.Tensor3D
  const sin = angles.sin() as tf.Tensor3D
  const keyMask = tf.ones([batch, seq]) as tf.Tensor2D
  let x = tf.gather(get('embed'), ids).reshape([batch, seq, DIM]) as tf.Tensor3D
  for (let i = 0; i < LAYERS; i++) {
    const h = layerNorm(x, vector(`${i}.gain`), vector(`${i}.shift`), 1e-5)
    const heads = (name: string) => splitHeads(linear(h, matrix(`${i}.${name}`)), HEADS)
    const turn = (t: tf.Tensor4D) => rotary(t, cos, sin, 'interleaved')
    const mixed = mergeHeads(attention(turn(heads('q')), turn(heads('k')), heads('v'), { keyMask }))
    const attended = linear(mixed, matrix(`${i}.o`))
    const hidden = gelu(linear(h, matrix(`${i}.fc`), vector(`${i}.fcBias`)))
    let mlp = linear(hidden, matrix(`${i}.proj`), vector(`${i}.projBias`))
    if (delta !== undefined && i === 2) mlp = mlp.add(delta)
    x = x.add(attended).add(mlp)
  }
  const logits = linear(x.reshape([batch * seq, DIM]) as tf.Tensor2D, matrix('head'), vector('headBias'))
  return crossEntropy(logits, labels).mean()
}

/** Median and least ms of `repeats` runs after two warm-ups. */
function time(work: () => void, repeats: number): { median: number; best: number } {
  work()
  work()
  const times = Array.from({ length: repeats }, () => {
    const start = performance.now()
    work()
    return performance.now() - start
  }).sort((a, b) => a - b)
  return { median: times[repeats >> 1]!, best: times[0]! }
}

/** Wraps the runtime so that every call's time is added up by program. */
function profile(backend: OrtBackend): () => void {
  const spent = new Map<string, { ms: number; calls: number }>()
  const run = backend.runtime.run.bind(backend.runtime)
  backend.runtime.run = (what, ...rest) => {
    const start = performance.now()
    run(what, ...rest)
    const entry = spent.get(what.key) ?? { ms: 0, calls: 0 }
    spent.set(what.key, { ms: entry.ms + performance.now() - start, calls: entry.calls + 1 })
  }
  return () => {
    const rows = [...spent].sort((a, b) => b[1].ms - a[1].ms).slice(0, 25)
    for (const [key, { ms, calls }] of rows)
      console.log(`${ms.toFixed(1).padStart(8)} ms ${String(calls).padStart(5)} x ${key}`)
    spent.clear()
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { threads: { type: 'string' } } })
  const threads = values.threads === undefined ? undefined : Number(values.threads)
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new Error(`--threads must be a whole number from 1, found ${values.threads}`)
  const choice = await useBackend('onnxruntime', threads === undefined ? {} : { threads })
  console.log(choice.tried.map((t) => t.reason).join('; '))
  // As `bench doctor` measures it.
  const rate = sgemmRate(tf.backend() as OrtBackend)
  console.log(`sgemm ${rate.toFixed(0)} GFLOP/s`)
  const report = process.env.PROFILE === undefined ? () => {} : profile(tf.backend() as OrtBackend)
  const weights = makeWeights()
  const names = Object.keys(weights)
  const run = (label: string, batch: number, seq: number, repeats: number) => {
    const ids = tf.randomUniformInt([batch * seq], 0, VOCAB) as tf.Tensor1D
    const labels = tf.randomUniformInt([batch * seq], 0, VOCAB) as tf.Tensor1D
    const delta = tf.zeros([batch, seq, DIM])
    const passes: Record<string, () => void> = {
      forward: () => valuesOf(() => loss(weights, ids, labels, batch, seq)),
      'all weights': () =>
        tf.tidy(() => {
          const f = (...xs: tf.Tensor[]) =>
            loss(Object.fromEntries(names.map((n, i) => [n, xs[i]!])), ids, labels, batch, seq)
          const { grads } = tf.valueAndGrads(f)(names.map((n) => weights[n]!))
          grads[0]!.dataSync()
        }),
      'one activation': () => valuesOf(() => tf.grad((d) => loss(weights, ids, labels, batch, seq, d))(delta))
    }
    for (const [name, pass] of Object.entries(passes)) {
      const { flops } = countMatmulFlops(pass)
      const { median, best } = time(pass, repeats)
      const gflops = flops / best / 1e6
      console.log(
        `${label.padEnd(14)} ${name.padEnd(15)} ${median.toFixed(1).padStart(7)} ms median ${best.toFixed(1).padStart(7)} ms best` +
          ` ${(flops / 1e9).toFixed(2).padStart(6)} GFLOP ${gflops.toFixed(0).padStart(4)} GFLOP/s = ${((100 * gflops) / rate).toFixed(0)} % of sgemm`
      )
      report()
    }
    tf.dispose([ids, labels, delta])
  }
  run('16 x 128', 16, 128, 7)
  run('20 x 8', 20, 8, 30)
  run('1 x 8', 1, 8, 30)
  const memory = tf.memory() as tf.MemoryInfo & { liveBytes: number; pooledBytes: number }
  console.log(
    `${memory.numTensors} tensors, ${(memory.liveBytes / 2 ** 20).toFixed(1)} MiB live, ${(memory.pooledBytes / 2 ** 20).toFixed(0)} MiB pooled`
  )
}

void main()
