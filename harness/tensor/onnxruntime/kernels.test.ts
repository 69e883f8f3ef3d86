import * as tf from '@tensorflow/tfjs-core'
import { randomStream } from '../../random'
import { useBackend } from '../backend'
import type { OrtBackend } from './backend'
import { operand, program } from './runtime'

/*
 * Every kernel that this backend replaces, on shapes that take its different paths (JavaScript loop, ONNX Runtime on one thread or
 * several, the cpu backend's own), against the cpu backend; with the gradient in every float input.
 */

interface KernelCase {
  readonly name: string
  readonly shapes: readonly (readonly number[])[]
  readonly run: (...inputs: tf.Tensor[]) => tf.Tensor
  /** TensorFlow.js itself has no gradient here. */
  readonly valueOnly?: boolean
}

const random = randomStream(11, 'kernel test')
const normal = (size: number) => Float32Array.from({ length: size }, () => random.normal())

const unary = (name: string, run: (x: tf.Tensor) => tf.Tensor): KernelCase[] =>
  [[7], [3, 4, 5], [70, 90]].map((shape) => ({ name: `${name} [${shape}]`, shapes: [shape], run }))

/** Enough elements for several threads. */
const LARGE = [512, 520]

const binary = (name: string, run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, broadcastGradient = true): KernelCase[] =>
  [
    [[5], [5]],
    [[3, 4], [4]],
    [[3, 4], []],
    [
      [3, 4],
      [3, 1]
    ],
    [
      [2, 1, 4],
      [3, 1]
    ],
    [
      [80, 90],
      [80, 90]
    ],
    [[80, 90], [90]],
    [
      [2, 40, 90],
      [2, 40, 1]
    ]
  ].map((shapes) => ({
    name: `${name} [${shapes[0]}] [${shapes[1]}]`,
    shapes,
    run,
    valueOnly: !broadcastGradient && `${shapes[0]}` !== `${shapes[1]}`
  }))

const product = (a: number[], b: number[], ta = false, tb = false): KernelCase => ({
  name: `matMul [${a}]${ta ? 'ᵀ' : ''} [${b}]${tb ? 'ᵀ' : ''}`,
  shapes: [a, b],
  run: (x, y) => tf.matMul(x, y, ta, tb),
  valueOnly: `${a.slice(0, -2)}` !== `${b.slice(0, -2)}`
})

const reduction = (
  name: string,
  run: (x: tf.Tensor, axis: number | number[], keep: boolean) => tf.Tensor
): KernelCase[] =>
  [
    [4, 5],
    [3, 60, 70]
  ].flatMap((shape) =>
    [0, -1, [0, 1]].flatMap((axis) =>
      [false, true].map((keep) => ({
        name: `${name} of [${shape}] along ${axis}${keep ? ', kept' : ''}`,
        shapes: [shape],
        run: (x: tf.Tensor) => run(x, axis, keep)
      }))
    )
  )

const ids = (values: number[], shape: number[] = [values.length]) =>
  tf.tensor1d(values, 'int32').reshape(shape) as tf.Tensor1D

const CASES: readonly KernelCase[] = [
  ...unary('exp', (x) => x.exp()),
  ...unary('log', (x) => x.square().add(0.1).log()),
  ...unary('tanh', (x) => x.tanh()),
  ...unary('sigmoid', (x) => x.sigmoid()),
  ...unary('erf', (x) => x.erf()),
  ...unary('sqrt', (x) => x.square().add(0.1).sqrt()),
  ...unary('rsqrt', (x) => x.square().add(0.1).rsqrt()),
  ...unary('square', (x) => x.square()),
  ...unary('neg', (x) => x.neg()),
  ...unary('abs', (x) => x.abs()),
  ...unary('relu', (x) => x.relu()),
  ...unary('softmax', (x) => tf.softmax(x)),
  ...unary('logSoftmax', (x) => tf.logSoftmax(x)),
  ...binary('add', (a, b) => a.add(b)),
  ...binary('sub', (a, b) => a.sub(b)),
  ...binary('mul', (a, b) => a.mul(b)),
  ...binary('div', (a, b) => a.div(b.square().add(0.5))),
  ...binary('maximum', (a, b) => a.maximum(b), false),
  ...binary('minimum', (a, b) => a.minimum(b), false),
  ...binary('squaredDifference', (a, b) => a.squaredDifference(b), false),
  product([3, 4], [4, 5]),
  product([4, 3], [4, 5], true),
  product([3, 4], [5, 4], false, true),
  product([4, 3], [5, 4], true, true),
  product([2, 3, 4], [2, 4, 5]),
  product([2, 4, 3], [2, 4, 5], true),
  product([2, 3, 4], [2, 5, 4], false, true),
  product([2, 3, 4], [4, 5]),
  product([90, 80], [80, 100]),
  { name: 'dot with a vector', shapes: [[5, 4], [4]], run: (a, b) => tf.dot(a, b as tf.Tensor1D) },
  { name: 'exp, large', shapes: [LARGE], run: (x) => x.exp() },
  { name: 'mul, large', shapes: [LARGE, LARGE], run: (a, b) => a.mul(b) },
  { name: 'sum, large', shapes: [LARGE], run: (x) => x.sum(0) },
  ...reduction('sum', (x, axis, keep) => x.sum(axis, keep)),
  ...reduction('mean', (x, axis, keep) => x.mean(axis, keep)),
  ...reduction('max', (x, axis, keep) => x.max(axis, keep)),
  ...reduction('min', (x, axis, keep) => x.min(axis, keep)),
  { name: 'sum of everything', shapes: [[80, 90]], run: (x) => x.sum() },
  { name: 'logSumExp', shapes: [[3, 5]], run: (x) => tf.logSumExp(x, -1) },
  { name: 'transpose', shapes: [[2, 3, 4]], run: (x) => x.transpose([2, 0, 1]) },
  { name: 'transpose of heads', shapes: [[2, 30, 4, 32]], run: (x) => x.transpose([0, 2, 1, 3]) },
  { name: 'slice inside', shapes: [[3, 4, 5]], run: (x) => x.slice([1, 0, 2], [2, 3, 2]) },
  { name: 'slice of rows', shapes: [[3, 4, 5]], run: (x) => x.slice([1], [1]) },
  { name: 'slice of long runs', shapes: [[3, 4, 100]], run: (x) => x.slice([0, 1, 10], [3, 2, 80]) },
  { name: 'slice of everything', shapes: [[3, 4]], run: (x) => x.slice([0, 0], [-1, -1]) },
  { name: 'stridedSlice', shapes: [[6, 4]], run: (x) => x.stridedSlice([1, 0], [6, 4], [2, 1]), valueOnly: true },
  { name: 'split', shapes: [[3, 6, 2]], run: (x) => tf.concat(tf.split(x, [1, 2, 3], 1).reverse(), 1) },
  { name: 'unstack', shapes: [[3, 4, 2]], run: (x) => tf.stack(tf.unstack(x, 1).reverse(), 0) },
  {
    name: 'stack, last axis',
    shapes: [
      [3, 4],
      [3, 4]
    ],
    run: (a, b) => tf.stack([a, b], -1)
  },
  {
    name: 'concat, first axis',
    shapes: [
      [2, 4],
      [3, 4]
    ],
    run: (a, b) => tf.concat([a, b], 0)
  },
  {
    name: 'concat, middle axis',
    shapes: [
      [2, 4, 30],
      [2, 3, 30]
    ],
    run: (a, b) => tf.concat([a, b], 1)
  },
  {
    name: 'concat, last axis',
    shapes: [
      [2, 4],
      [2, 1]
    ],
    run: (a, b) => tf.concat([a, b], -1)
  },
  {
    name: 'pad',
    shapes: [[2, 3]],
    run: (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [2, 1]
        ],
        0.5
      )
  },
  { name: 'pad of one axis', shapes: [[3]], run: (x) => tf.pad(x, [[1, 2]]) },
  {
    name: 'pad of four axes',
    shapes: [[2, 3, 1, 2]],
    run: (x) =>
      tf.pad(x, [
        [0, 1],
        [1, 1],
        [2, 0],
        [0, 0]
      ])
  },
  { name: 'gather of rows', shapes: [[5, 6]], run: (x) => tf.gather(x, ids([4, 0, 4])) },
  { name: 'gather by a matrix', shapes: [[5, 6]], run: (x) => tf.gather(x, ids([4, 0, 4, 1], [2, 2])) },
  { name: 'gather along axis 1', shapes: [[2, 5, 3]], run: (x) => tf.gather(x, ids([4, 0, 4]), 1) },
  { name: 'gather in batches', shapes: [[2, 5, 3]], run: (x) => tf.gather(x, ids([4, 0, 4, 1], [2, 2]), 1, 1) },
  { name: 'unsortedSegmentSum', shapes: [[4, 3]], run: (x) => tf.unsortedSegmentSum(x, ids([1, 0, 1, 2]), 4) },
  { name: 'tile', shapes: [[2, 3]], run: (x) => x.tile([2, 3]) },
  { name: 'where', shapes: [[4], [4]], run: (a, b) => tf.where(tf.tensor1d([1, 0, 0, 1], 'bool'), a, b) },
  {
    name: 'addN',
    shapes: [
      [3, 4],
      [3, 4]
    ],
    run: (a, b) => tf.addN([a, b, a])
  },
  { name: 'clip', shapes: [[3, 4]], run: (a) => a.clipByValue(-0.5, 0.5) },
  { name: 'reshape and expand', shapes: [[3, 4]], run: (a) => a.reshape([2, 6]).expandDims(1).mul(2) },
  { name: 'an integer cast', shapes: [[3]], run: (a) => a.mul(ids([1, 2, 3]).toFloat()).add(ids([4, 5, 6])) },
  { name: 'norm', shapes: [[3, 4]], run: (a) => tf.norm(a, 2, -1) }
]

function evaluate({ run, shapes, valueOnly }: KernelCase, inputs: readonly Float32Array[], weights: Float32Array) {
  const tensors = inputs.map((values, i) => tf.tensor(values, [...shapes[i]!]))
  const value = run(...tensors)
  if (valueOnly === true) return { shape: value.shape, value: value.dataSync(), gradients: [] }
  const gradients = tf.grads((...xs: tf.Tensor[]) => {
    const y = run(...xs)
    return y.mul(tf.tensor(weights, y.shape)).sum()
  })(tensors)
  return { shape: value.shape, value: value.dataSync(), gradients: gradients.map((g) => g.dataSync()) }
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>) {
  let worst = actual.length === expected.length ? 0 : Number.NaN
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!) / (1 + Math.abs(expected[i]!))
    if (!(error <= worst)) worst = error
  }
  expect(worst).toBeLessThan(5e-5)
}

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 2 })
})
beforeEach(() => tf.engine().startScope())
afterEach(() => tf.engine().endScope())

it.each(CASES)('$name agrees with cpu, and so does its gradient', async (kernel) => {
  const inputs = kernel.shapes.map((shape) => normal(shape.reduce((a, b) => a * b, 1)))
  await tf.setBackend('cpu')
  const size = kernel.run(...inputs.map((v, i) => tf.tensor(v, [...kernel.shapes[i]!]))).size
  const weights = normal(size)
  const expected = evaluate(kernel, inputs, weights)
  await tf.setBackend('onnxruntime')
  const actual = evaluate(kernel, inputs, weights)
  expect(actual.shape).toEqual(expected.shape)
  expectClose(actual.value, expected.value)
  for (const [i, gradient] of expected.gradients.entries()) expectClose(actual.gradients[i]!, gradient)
})

describe('kernels without a gradient', () => {
  it('finds the first largest value', () => {
    const x = tf.tensor2d([1, 3, 3, 5, 2, 5], [2, 3])
    expect([...tf.argMax(x, -1).dataSync()]).toEqual([1, 0])
    expect([...tf.argMax(x, 0).dataSync()]).toEqual([1, 0, 1])
  })

  it('works on integers and booleans', () => {
    const x = tf.tensor1d([1, 2, 3], 'int32')
    expect([...x.add(x).dataSync()]).toEqual([2, 4, 6])
    expect([...x.mul(tf.tensor1d([3, 2, 1], 'int32')).dataSync()]).toEqual([3, 4, 3])
    expect([...x.greater(2).dataSync()]).toEqual([0, 0, 1])
    expect([...x.greater(1).toFloat().mul(0.5).dataSync()]).toEqual([0, 0.5, 0.5])
    expect(x.sum().dataSync()[0]).toBe(6)
    expect([...tf.oneHot(x, 4).dataSync()]).toEqual([0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])
    expect([...tf.concat([x, x]).slice([2], [2]).dataSync()]).toEqual([3, 1])
    expect([...tf.gather(x, [2, 0]).dataSync()]).toEqual([3, 1])
    expect([...tf.topk(tf.tensor1d([1, 9, 4]), 2).indices.dataSync()]).toEqual([1, 2])
  })

  it('refuses an index outside the tensor', () => {
    expect(() => tf.gather(tf.zeros([3, 2]), ids([3]))).toThrow('index 3 is not in 0..2')
  })

  // Not compared with cpu, which pairs up the wrong matrices here (it takes batch index modulo each factor's count).
  it('broadcasts the batch axes of a matrix product', () => {
    const a = tf.tensor(normal(24), [2, 1, 3, 4])
    const b = tf.tensor(normal(60), [3, 4, 5])
    const expected = tf.matMul(a.tile([1, 3, 1, 1]), b.expandDims(0).tile([2, 1, 1, 1]))
    const product = tf.matMul(a, b)
    expect(product.shape).toEqual([2, 3, 3, 5])
    expectClose(product.dataSync(), expected.dataSync())
  })

  it('multiplies over an empty axis to zeros', () => {
    expect([...tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 2])).dataSync()]).toEqual([0, 0, 0, 0])
    expect(tf.matMul(tf.zeros([0, 3]), tf.zeros([3, 2])).shape).toEqual([0, 2])
  })
})

describe('memory', () => {
  const backend = () => tf.backend() as OrtBackend

  it('never overwrites values it has handed out', () => {
    const x = tf.fill([64, 64], 2)
    const y = x.add(x)
    const seen = y.dataSync()
    y.dispose()
    for (let i = 0; i < 10; i++) tf.tidy(() => x.mul(x).mul(x))
    expect(seen.every((v) => v === 4)).toBe(true)
  })

  it('never reuses the memory of a tensor made from a caller’s array', () => {
    const mine = new Float32Array(4096).fill(7)
    tf.tensor(mine).dispose()
    tf.tidy(() => tf.fill([4096], 1).add(1))
    expect(mine.every((v) => v === 7)).toBe(true)
  })

  it('keeps memory that a reshape, a clone or a kernel’s view still shows', () => {
    const x = tf.fill([64, 64], 3).add(0)
    const reshaped = x.reshape([4096])
    const strided = x.stridedSlice([0, 0], [32, 64], [1, 1])
    x.dispose()
    tf.tidy(() => tf.fill([64, 64], 1).add(1).mul(2))
    expect(reshaped.dataSync().every((v) => v === 3)).toBe(true)
    expect(strided.dataSync().every((v) => v === 3)).toBe(true)
  })

  it('takes the memory of disposed tensors again', () => {
    const x = tf.fill([100, 100], 1)
    x.add(1).dispose()
    const before = backend().memory().pooledBuffers
    const y = x.add(1)
    expect(backend().memory().pooledBuffers).toBe(before - 1)
    y.dispose()
    expect(backend().memory().pooledBuffers).toBe(before)
  })

  it('carries tensors over from and to the cpu backend', async () => {
    await tf.setBackend('cpu')
    const x = tf.tensor1d([1, 2, 3])
    await tf.setBackend('onnxruntime')
    const y = x.mul(2)
    await tf.setBackend('cpu')
    expect([...y.add(1).dataSync()]).toEqual([3, 5, 7])
    await tf.setBackend('onnxruntime')
  })

  it('has no copy of an output made beside the one it asks for', () => {
    const x = tf.ones([1 << 20])
    const halve = () => tf.dispose(tf.tanh(x))
    halve()
    let [held, made] = [process.memoryUsage().arrayBuffers, 0]
    for (let i = 0; i < 16; i++) {
      halve()
      const now = process.memoryUsage().arrayBuffers
      // What rises counts, whatever the collector takes in between.
      made += Math.max(0, now - held)
      held = now
    }
    // A copy would be 4 MB a call, left for the collector.
    expect(made).toBeLessThan(8e6)
    x.dispose()
  })

  it('passes on what ONNX Runtime complains about', () => {
    const wrong = program('a product of wrong shapes', (g) => g.op('MatMul', [g.input(), g.input()]))
    const of = (rows: number, columns: number) => operand(new Float32Array(rows * columns), [rows, columns])
    const run = () => backend().runtime.compute(wrong, [of(100, 200), of(300, 200)], [100, 200], 1)
    expect(run).toThrow(/MatMul/)
  })
})
