import * as tf from '@tensorflow/tfjs-core'
import { type Replacement, written } from '../../harness/edit/kinds/codebook'
import { UserError } from '../../harness/errors'
import { batchesByLength, disposeCache, type KeyValueCache, type LanguageModel, padBatch } from '../../harness/model'
import { crossEntropy } from '../../harness/tensor'
import { Adam } from '../../harness/tensor/optimizer'
import type { AnswerRow } from '../answer-row'
import { pastOf, stacked } from '../passes'

/** A prompt with its target, and what the model computes before the site. */
export interface Lesson extends AnswerRow {
  /** What enters the block of the site, `[tokens, dim]`. */
  readonly entering: Float32Array
  /** What goes into the site at the last token of the prompt, `[in]`. */
  readonly query: Float32Array
}

/** What the model computes for some prompts up to a site. */
export function lessonsOf(model: LanguageModel, rows: readonly AnswerRow[], layer: number, site: string): Lesson[] {
  const lessons = new Array<Lesson>(rows.length)
  const { dim } = model.config
  for (const batch of batchesByLength(rows.map((r) => r.ids.length))) {
    const some = batch.map((i) => rows[i]!)
    const tokens = { ...padBatch(some.map((r) => r.ids)), prompts: some.map((r) => r.first + 1) }
    const last = Int32Array.from(some, ({ first }, i) => i * tokens.seq + first)
    tf.tidy(() => {
      const { captured } = model.forward(tokens, { to: layer + 1, capture: [`layers.${layer}.in`, `${site}:in`] })
      const inputs = captured[`${site}:in`]!
      const width = inputs.shape[2]
      const queries = tf.gather(inputs.reshape([-1, width]), tf.tensor1d(last, 'int32')).dataSync() as Float32Array
      const stream = captured[`layers.${layer}.in`]!.dataSync() as Float32Array // [rows, seq, dim]
      for (const [k, i] of batch.entries()) {
        const start = k * tokens.seq * dim
        const entering = stream.slice(start, start + some[k]!.ids.length * dim)
        lessons[i] = { ...some[k]!, entering, query: queries.slice(k * width, (k + 1) * width) }
      }
    })
  }
  return lessons
}

export interface ValueHyperparameters {
  readonly layer: number
  readonly edit_lr: number
  readonly n_iter: number
  readonly replacement: Replacement
}

/** Lessons that run together. */
interface Bundle {
  readonly rows: readonly number[]
  readonly lessons: readonly Lesson[]
  /** What enters the block, from the first position that changes, `[rows, seq, dim]`. */
  readonly suffix: tf.Tensor3D
  readonly past: KeyValueCache | undefined
}

/**
 * Trains a value for every lesson, in place: Adam on the mean cross-entropy of its target, with the value written at the site. Only positions that change and
 * blocks from the site's on run.
 * @param values of every lesson, `[out]`
 * @returns the loss of every step
 */
export function trainValues(
  model: LanguageModel,
  lessons: readonly Lesson[],
  values: readonly Float32Array[],
  site: string,
  h: ValueHyperparameters
): number[][] {
  const losses: number[][] = lessons.map(() => [])
  const optimizer = new Adam(new Map(values.map((v, i) => [String(i), v])), { learningRate: h.edit_lr })
  const lengths = lessons.map((l) => l.ids.length - startOf(l, h))
  const bundles = batchesByLength(lengths).map((rows) => bundleOf(model, rows, lessons, h))
  try {
    for (let step = 0; step < h.n_iter; step++) {
      const gradients = new Map<string, Float32Array>()
      for (const bundle of bundles) {
        const found = lossOf(model, bundle, values, site, h)
        for (const [k, row] of bundle.rows.entries()) {
          const loss = found.losses[k]!
          if (!Number.isFinite(loss))
            throw new UserError(`the loss of the value is ${loss} at step ${step}`, { hint: 'try a smaller edit_lr' })
          losses[row]!.push(loss)
          gradients.set(String(row), found.gradients[k]!)
        }
      }
      optimizer.step(gradients)
    }
  } finally {
    for (const { suffix, past } of bundles) {
      suffix.dispose()
      disposeCache(past)
    }
  }
  return losses
}

/** The first position that the value reaches. */
const startOf = ({ first }: AnswerRow, { replacement }: Pick<ValueHyperparameters, 'replacement'>): number =>
  replacement === 'replace_last' ? first : 0

function bundleOf(
  model: LanguageModel,
  rows: readonly number[],
  all: readonly Lesson[],
  h: ValueHyperparameters
): Bundle {
  const { dim } = model.config
  const lessons = rows.map((i) => all[i]!)
  const starts = lessons.map((l) => startOf(l, h) * dim)
  const past = pastOf(
    model,
    lessons.map((l, k) => l.entering.subarray(0, starts[k])),
    h.layer
  )
  const suffixes = lessons.map((l, k) => l.entering.subarray(starts[k]))
  return { rows, lessons, suffix: stacked(suffixes, dim), past }
}

function lossOf(
  model: LanguageModel,
  { rows, lessons, suffix, past }: Bundle,
  values: readonly Float32Array[],
  site: string,
  h: ValueHyperparameters
): { losses: Float32Array; gradients: Float32Array[] } {
  const [batch, seq] = suffix.shape
  const out = values[rows[0]!]!.length
  const starts = lessons.map((l) => startOf(l, h))
  const labels = lessons.flatMap(({ first, labels: own }, row) =>
    own.map((label, j) => ({ row, position: first + j - starts[row]!, label, share: 1 / own.length }))
  )
  const tokens = {
    ids: new Int32Array(batch * seq),
    batch,
    seq,
    lengths: lessons.map((l, k) => l.ids.length - starts[k]!),
    prompts: lessons.map((l) => l.first + 1)
  }
  const places = lessons.map((l, at) => ({ at, end: l.first - starts[at]!, replacement: h.replacement }))
  const flat = new Float32Array(batch * out)
  for (const [k, row] of rows.entries()) flat.set(values[row]!, k * out)
  const losses = new Float32Array(batch)
  let gradient!: Float32Array
  tf.tidy(() => {
    const shares = new Float32Array(batch * labels.length)
    for (const [i, { row, share }] of labels.entries()) shares[row * labels.length + i] = share
    const ids = tf.tensor1d(
      labels.map((l) => l.label),
      'int32'
    )
    const loss = (value: tf.Tensor) => {
      const changes = new Map([[site, (_: tf.Tensor3D, y: tf.Tensor3D) => written(y, places, value as tf.Tensor3D)]])
      const { logits } = model.forward(tokens, {
        from: { layer: h.layer, hidden: suffix },
        logitsAt: {
          rows: Int32Array.from(labels, (l) => l.row),
          positions: Int32Array.from(labels, (l) => l.position)
        },
        logitsOnly: true,
        changes,
        ...(past === undefined ? {} : { past })
      })
      const perRow = tf.tensor2d(shares, [batch, labels.length]).mul(crossEntropy(logits!, ids)).sum(1)
      losses.set(perRow.dataSync())
      return perRow.sum()
    }
    gradient = tf
      .grad(loss)(tf.tensor3d(flat, [batch, 1, out]))
      .dataSync() as Float32Array
  })
  return { losses, gradients: rows.map((_, k) => gradient.slice(k * out, (k + 1) * out)) }
}

/** Matrix FLOPs of one fact by its own tokens: the pass up to the site, and what every step runs. */
export function graceFlops(model: LanguageModel, lesson: AnswerRow, h: ValueHyperparameters): number {
  const context = lesson.ids.length
  const start = startOf(lesson, h)
  const logits = lesson.labels.length
  const above = {
    from: h.layer,
    context,
    logits,
    asked: h.layer === model.config.layers - 1 ? context - start : logits
  }
  const before = model.passFlops(context, { to: h.layer + 1, context })
  const past = model.passFlops(start, { from: h.layer, context: start })
  return before + past + h.n_iter * model.passFlops(context - start, { ...above, backward: true })
}
