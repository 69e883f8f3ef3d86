import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../../harness/errors'
import {
  batchesByLength,
  type LanguageModel,
  padBatch,
  readSafetensorsHeader,
  readTensor,
  writeSafetensors
} from '../../harness/model'
import { replaceWhole } from '../../harness/replace'
import { valuesOf } from '../../harness/tensor'
import { Cholesky } from '../../harness/tensor/linalg'
import { sampleRows } from '../corpus-rows'
import type { Corpus, MethodContext, PrepareContext } from '../types'

export interface SecondMomentOptions {
  /** Tokens to average over: a few times the key's length is enough (arXiv 2506.04226). */
  readonly tokens: number
  /** Added to the diagonal, as a share of its mean. */
  readonly ridge: number
  /** What else a user may do who has no corpus. */
  readonly instead?: string
}

/** The uncentred second moment C = E[k·kᵀ] of the keys of a linear site, `[n, n]`. */
export class SecondMoment {
  #factor: Cholesky | undefined

  /** @param matrix row-major, symmetric, its ridge included */
  constructor(
    readonly matrix: Float64Array,
    readonly n: number
  ) {}

  /** Made when it is first asked for. @throws UserError when the matrix has no inverse */
  get factor(): Cholesky {
    try {
      this.#factor ??= new Cholesky(this.matrix, this.n)
    } catch (error) {
      throw new UserError(`the second moment cannot be inverted: ${(error as Error).message}`, {
        place: 'mom2_n_tokens',
        hint: 'average over more tokens, or raise mom2_ridge (1e-6 is usual)'
      })
    }
    return this.#factor
  }
}

/**
 * Second moments of some sites over the tokens of a corpus (Meng et al. 2022, eq. 2), those that are missing in one pass over it. Kept by the worker, and
 * on disk under the hash of everything they depend on: the backend too, since sums in another order differ in their last digits.
 * @throws UserError when there is no corpus, or too little of it
 */
export function secondMoments(
  model: LanguageModel,
  sites: readonly string[],
  { tokens, ridge, instead }: SecondMomentOptions,
  context: PrepareContext
): SecondMoment[] {
  const { corpus, cacheDir } = context
  if (corpus === undefined) {
    throw new UserError(
      `the second moment of ${sites.join(', ')} needs a text corpus, and ${model.name} comes with none`,
      {
        place: 'corpus',
        hint: [
          'name one in the config: corpus: FILE, a document a line',
          ...(instead === undefined ? [] : [instead])
        ].join('\n')
      }
    )
  }
  const n = model.config.ffDim
  const keys = sites.map((site) => momentKey(model, site, corpus, tokens))
  const missing = new Set<string>()
  const found = new Map<string, Float32Array>()
  const matrixOf = (site: string): Float32Array => {
    if (!found.has(site)) {
      const file = (of: string) => momentFile(cacheDir, keys[sites.indexOf(of)]!)
      const absent = sites.filter((s) => {
        const cached = found.has(s) ? undefined : readCached(file(s), n, context)
        if (cached !== undefined) found.set(s, cached)
        return !found.has(s)
      })
      for (const s of absent) missing.add(s)
      if (absent.length > 0) {
        const computed = compute(model, absent, n, tokens, corpus, context)
        for (const [i, s] of absent.entries()) {
          found.set(s, computed[i]!)
          store(file(s), computed[i]!, n)
        }
      }
    }
    return found.get(site)!
  }
  return sites.map((site, i) => {
    const moment = context.keep(`${keys[i]} ${ridge}`, () => new SecondMoment(withRidge(matrixOf(site), n, ridge), n))
    context.onSetup?.(`second moment of ${site}`, missing.has(site) ? 'computed' : 'cached')
    return moment
  })
}

/** The second moment of one site. */
export const secondMoment = (
  model: LanguageModel,
  site: string,
  options: SecondMomentOptions,
  context: PrepareContext
): SecondMoment => secondMoments(model, [site], options, context)[0]!

/** What a second moment depends on. */
export const momentKey = (model: LanguageModel, site: string, corpus: Corpus, tokens: number): string =>
  createHash('sha256')
    .update(JSON.stringify(['second-moment', tf.getBackend(), model.hash, site, corpus.id, tokens]))
    .digest('hex')

/** Where it is kept. */
export const momentFile = (cacheDir: string, key: string): string =>
  join(cacheDir, 'second-moments', `${key}.safetensors`)

function withRidge(matrix: Float32Array, n: number, ridge: number): Float64Array {
  let trace = 0
  for (let i = 0; i < n; i++) trace += matrix[i * n + i]!
  const regular = Float64Array.from(matrix)
  for (let i = 0; i < n; i++) regular[i * n + i] = regular[i * n + i]! + (ridge * trace) / n
  return regular
}

/** What the cache holds, undefined when there is nothing, or something damaged, which is computed again. */
function readCached(file: string, n: number, context: MethodContext): Float32Array | undefined {
  if (!existsSync(file)) return undefined
  try {
    const { tensors, metadata } = readSafetensorsHeader(file)
    const entry = tensors.get('C')
    const matrix = entry?.shape.join() === `${n},${n}` ? readTensor('C', entry) : undefined
    if (matrix !== undefined && metadata.sha256 === checksum(matrix)) return matrix
  } catch (error) {
    if (!(error instanceof UserError)) throw error
  }
  context.log('a cached second moment is damaged and computed again', { file })
  return undefined
}

const store = (file: string, matrix: Float32Array, n: number): void =>
  writeSafetensors(file, new Map([['C', { shape: [n, n], data: matrix }]]), { metadata: { sha256: checksum(matrix) } })

const checksum = ({ buffer, byteOffset, byteLength }: Float32Array | Float64Array): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')

/** C of every site, one pass over the texts. */
function compute(
  model: LanguageModel,
  sites: readonly string[],
  n: number,
  wanted: number,
  corpus: Corpus,
  context: MethodContext
): Float32Array[] {
  const start = performance.now()
  const rows = sampleRows(model, corpus, wanted)
  const tokens = rows.reduce((sum, row) => sum + row.length, 0)
  if (tokens < n) {
    throw new UserError(`the corpus has ${tokens} tokens, fewer than the ${n} dimensions of a key`, { place: 'corpus' })
  }
  const batches = batchesByLength(rows.map((r) => r.length))
  const progress = new Progress(model, sites, n, corpus, wanted, context)
  for (let i = progress.done; i < batches.length; i++) {
    const texts = batches[i]!.map((row) => rows[row]!)
    const products = valuesOf(() => keyProducts(model, sites, texts))
    for (const [s, sum] of progress.sums.entries()) addInto(sum, products.subarray(s * n * n, (s + 1) * n * n))
    progress.step(i + 1)
  }
  progress.forget()
  context.log(`second moment of ${sites.join(', ')} over ${tokens} tokens`, { ms: performance.now() - start })
  return progress.sums.map((sum) => Float32Array.from(sum, (value) => value / tokens))
}

function addInto(sum: Float64Array, values: ArrayLike<number>): void {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + values[i]!
}

/** Σ k·kᵀ of every site over the real tokens of a batch, `[sites, n, n]`. */
function keyProducts(
  model: LanguageModel,
  sites: readonly string[],
  rows: readonly (readonly number[])[]
): tf.Tensor3D {
  const batch = padBatch(rows)
  const last = Math.max(...sites.map((site) => Number(/^layers\.(\d+)\./.exec(site)![1])))
  const { captured } = model.forward(batch, { to: last + 1, capture: sites.map((site) => `${site}:in`) })
  const real = tf.tensor1d(
    rows.flatMap((row, i) => row.map((_, j) => i * batch.seq + j)),
    'int32'
  )
  return tf.stack(
    sites.map((site) => {
      const keys = captured[`${site}:in`]!
      const flat = tf.gather(keys.reshape([batch.batch * batch.seq, keys.shape[2]]), real) as tf.Tensor2D
      return tf.matMul(flat, flat, true, false)
    })
  ) as tf.Tensor3D
}

/** Between copies of what is summed so far. */
const KEEP_MS = 30_000

/** Sums that go on after an interruption. */
class Progress {
  readonly sums: Float64Array[]
  /** Batches that are in the sums. */
  done = 0
  readonly #file: string
  #kept = performance.now()

  constructor(
    model: LanguageModel,
    sites: readonly string[],
    n: number,
    corpus: Corpus,
    tokens: number,
    { cacheDir, log }: MethodContext
  ) {
    const key = createHash('sha256')
      .update(sites.map((s) => momentKey(model, s, corpus, tokens)).join())
      .digest('hex')
    this.#file = join(cacheDir, 'second-moments', `${key}.partial`)
    this.sums = sites.map(() => new Float64Array(n * n))
    if (!existsSync(this.#file)) return
    const bytes = readFileSync(this.#file)
    const end = bytes.indexOf(10)
    const [done, sha256] = bytes.toString('utf8', 0, end).split(' ')
    const values = new Float64Array(bytes.buffer.slice(bytes.byteOffset + end + 1, bytes.byteOffset + bytes.length))
    if (values.length !== sites.length * n * n || sha256 !== checksum(values)) {
      log('an interrupted second moment is damaged and begun again', { file: this.#file })
      return
    }
    this.done = Number(done)
    this.sums = sites.map((_, i) => values.slice(i * n * n, (i + 1) * n * n))
    log('an interrupted second moment goes on', { batches: this.done })
  }

  step(done: number): void {
    this.done = done
    if (performance.now() - this.#kept < KEEP_MS) return
    this.keep()
  }

  keep(): void {
    const size = this.sums[0]!.length
    const values = new Float64Array(this.sums.length * size)
    for (const [i, sum] of this.sums.entries()) values.set(sum, i * size)
    mkdirSync(dirname(this.#file), { recursive: true })
    const header = Buffer.from(`${this.done} ${checksum(values)}\n`)
    replaceWhole(this.#file, (fresh) => writeFileSync(fresh, Buffer.concat([header, new Uint8Array(values.buffer)])))
    this.#kept = performance.now()
  }

  forget(): void {
    rmSync(this.#file, { force: true })
  }
}
