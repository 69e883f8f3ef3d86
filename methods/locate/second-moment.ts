import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../../harness/errors'
import {
  batchesByLength,
  encodePrompt,
  type LanguageModel,
  padBatch,
  readSafetensorsHeader,
  readTensor,
  writeSafetensors
} from '../../harness/model'
import { randomStream } from '../../harness/random'
import { valuesOf } from '../../harness/tensor'
import { Cholesky } from '../../harness/tensor/linalg'
import type { MethodContext, PrepareContext } from '../types'

export interface SecondMomentOptions {
  /** Tokens to average over: a few times the key's length is enough (arXiv 2506.04226). */
  readonly tokens: number
  /** Added to the diagonal, as a share of its mean. */
  readonly ridge: number
}

/**
 * The uncentred second moment C = E[k·kᵀ] of the keys of a linear site, `[in, in]`, over the tokens of a corpus
 * (Meng et al. 2022, eq. 2), factored. Kept by the worker, and C itself on disk under the hash of everything it depends on: the backend
 * too, since sums in another order differ in their last digits.
 * @throws UserError when there is no corpus, or too little of it
 */
export function secondMoment(
  model: LanguageModel,
  site: string,
  options: SecondMomentOptions,
  context: PrepareContext
): Cholesky {
  const { corpus } = context
  if (corpus === undefined) {
    throw new UserError(`the second moment of ${site} needs a text corpus, and ${model.name} comes with none`, {
      place: 'mom2_adjustment',
      hint: [
        'name one in the config: corpus: FILE, a document a line;',
        "or set 'mom2_adjustment: false' as EasyEdit does, at a price: on gptj-mini's CounterFact accuracy falls from 100 to 35, locality from 97 to 70"
      ].join('\n')
    })
  }
  const key = createHash('sha256')
    .update(JSON.stringify(['second-moment', tf.getBackend(), model.hash, site, corpus.id, options.tokens]))
    .digest('hex')
  let how: 'computed' | 'cached' = 'cached'
  const factor = context.keep(`${key} ${options.ridge}`, () => {
    const n = model.config.ffDim
    const file = join(context.cacheDir, 'second-moments', `${key}.safetensors`)
    const cached = readCached(file, n, context)
    if (cached === undefined) how = 'computed'
    return factorise(
      cached ?? compute(model, site, n, options.tokens, corpus.documents(), file, context),
      n,
      options.ridge
    )
  })
  context.onSetup?.(`second moment of ${site}`, how)
  return factor
}

function factorise(matrix: Float32Array, n: number, ridge: number): Cholesky {
  let trace = 0
  for (let i = 0; i < n; i++) trace += matrix[i * n + i]!
  const regular = Float64Array.from(matrix)
  for (let i = 0; i < n; i++) regular[i * n + i] = regular[i * n + i]! + (ridge * trace) / n
  try {
    return new Cholesky(regular, n)
  } catch (error) {
    throw new UserError(`the second moment cannot be inverted: ${(error as Error).message}`, {
      place: 'mom2_n_tokens',
      hint: 'average over more tokens, or raise mom2_ridge (1e-6 is usual)'
    })
  }
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

const checksum = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')

function compute(
  model: LanguageModel,
  site: string,
  n: number,
  wanted: number,
  documents: Iterable<string>,
  file: string,
  context: MethodContext
): Float32Array {
  const start = performance.now()
  const rows: number[][] = []
  let tokens = 0
  // Documents are often sorted; a part of them should look like the whole.
  for (const text of randomStream(0, 'second-moment').shuffle([...documents])) {
    const row = encodePrompt(model.tokenizer, text).slice(0, Math.min(model.config.maxPositions, wanted - tokens))
    if (row.length === 0) continue
    rows.push(row)
    tokens += row.length
    if (tokens >= wanted) break
  }
  if (tokens < n) {
    throw new UserError(`the corpus has ${tokens} tokens, fewer than the ${n} dimensions of a key`, { place: 'corpus' })
  }
  const sum = new Float64Array(n * n)
  for (const batch of batchesByLength(rows.map((r) => r.length))) {
    const texts = batch.map((i) => rows[i]!)
    const partial = valuesOf(() => keyProducts(model, site, texts))
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + partial[i]!
  }
  const matrix = Float32Array.from(sum, (value) => value / tokens)
  writeSafetensors(file, new Map([['C', { shape: [n, n], data: matrix }]]), { metadata: { sha256: checksum(matrix) } })
  context.log(`second moment of ${site} over ${tokens} tokens`, { ms: performance.now() - start })
  return matrix
}

/** Σ k·kᵀ over the real tokens of a batch, `[n, n]`. */
function keyProducts(model: LanguageModel, site: string, rows: readonly (readonly number[])[]): tf.Tensor2D {
  const batch = padBatch(rows)
  const layer = Number(/^layers\.(\d+)\./.exec(site)![1])
  const name = `${site}:in`
  const keys = model.forward(batch, { to: layer + 1, capture: [name] }).captured[name]!
  const width = keys.shape[2]
  const real = rows.flatMap((row, i) => row.map((_, j) => i * batch.seq + j))
  const flat = tf.gather(keys.reshape([batch.batch * batch.seq, width]), tf.tensor1d(real, 'int32')) as tf.Tensor2D
  return tf.matMul(flat, flat, true, false)
}
