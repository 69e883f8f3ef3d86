import * as tf from '@tensorflow/tfjs'
import { UserError } from '../../harness/errors'
import type { KeyValueCache, LanguageModel, TokenBatch } from '../../harness/model'
import { disposeCache, leftAlign, padBatch } from '../../harness/model'
import { crossEntropy } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { Adam } from '../../harness/tensor/optimizer'
import type { RomeHyperparameters } from './hyperparameters'
import type { Row } from './rows'

/** What the model computes at the subject's last token of every row before the edit. */
export interface SubjectStates {
  /** Input and output of W_proj, `[rows][dFf]` and `[rows][dim]`. */
  readonly keys: readonly Float32Array[]
  readonly values: readonly Float32Array[]
  /** Residual stream after the edited block, `[rows, seq, dim]`, of the rows padded on the right. */
  readonly hidden: Float32Array
  readonly seq: number
}

/** Runs the blocks up to the edited one, once for all rows. */
export function subjectStates(model: LanguageModel, rows: readonly Row[], layer: number): SubjectStates {
  const site = `layers.${layer}.mlp.proj`
  const batch = padBatch(rows.map((r) => r.ids))
  const at = Int32Array.from(rows, (row, i) => i * batch.seq + row.subject)
  let states!: SubjectStates
  tf.tidy(() => {
    const { hidden, captured } = model.forward(batch, { to: layer + 1, capture: [`${site}:in`, site] })
    const pick = (t: tf.Tensor3D) => {
      const width = t.shape[2]
      const values = tf.gather(t.reshape([-1, width]), tf.tensor1d(at, 'int32')).dataSync() as Float32Array
      return rows.map((_, i) => values.slice(i * width, (i + 1) * width))
    }
    states = {
      keys: pick(captured[`${site}:in`]!),
      values: pick(captured[site]!),
      hidden: hidden.dataSync() as Float32Array,
      seq: batch.seq
    }
  })
  return states
}

export interface OptimisedValue {
  /** Change of the value at the subject's last token, `[dim]`. */
  readonly delta: Float32Array
  /** Loss of every step: `nll + kl + decay`. */
  readonly losses: readonly number[]
  readonly nll: number
  readonly kl: number
}

/**
 * Finds for every fact the value that makes the model say its target (Meng et al. 2022, eq. 4): all facts at once, each
 * stopping on its own. Nothing before the subject's last token depends on the value, so only the positions from there on run,
 * over the keys and values of those before, through the blocks above the edited one.
 * @param initial value of every fact before the edit, `[dim]`
 */
export function optimiseValues(
  model: LanguageModel,
  rows: readonly Row[],
  states: SubjectStates,
  initial: readonly Float32Array[],
  h: RomeHyperparameters
): OptimisedValue[] {
  const deltas = initial.map((v) => new Float32Array(v.length))
  const losses: number[][] = initial.map(() => [])
  const last = initial.map(() => ({ nll: 0, kl: 0 }))
  const optimizer = new Adam(new Map(deltas.map((d, i) => [String(i), d])), { learningRate: h.v_lr })
  let work = new Work(model, rows, h, {
    suffix: suffixOf(rows, states, model.config.dim),
    values: stacked(states.values),
    past: pastOf(model, rows, states, h.layer)
  })
  let active = initial.map((_, i) => i)
  try {
    for (let step = 0; step < h.v_num_grad_steps && active.length > 0; step++) {
      const { nll, kl, gradients } = work.evaluate(active.map((fact) => deltas[fact]!))
      const going: number[] = []
      const updates = new Map<string, Float32Array>()
      for (const [i, fact] of active.entries()) {
        const delta = deltas[fact]!
        const size = norm(delta)
        const decay = h.v_weight_decay / norm(initial[fact]!) ** 2
        const loss = nll[i]! + h.kl_factor * kl[i]! + decay * size
        if (!Number.isFinite(loss))
          throw new UserError(`the loss of the value is ${loss} at step ${step}`, { hint: 'try a smaller v_lr' })
        losses[fact]!.push(loss)
        last[fact] = { nll: nll[i]!, kl: kl[i]! }
        if (loss < h.stop_loss) continue
        going.push(i)
        // Gradient of the norm; torch takes 0 at the origin.
        const gradient = gradients[i]!
        if (size > 0) for (let j = 0; j < delta.length; j++) gradient[j] = gradient[j]! + (decay * delta[j]!) / size
        updates.set(String(fact), gradient)
      }
      // The reference evaluates once more than it steps.
      if (step === h.v_num_grad_steps - 1 || going.length === 0) break
      optimizer.step(updates)
      for (const i of going) clamp(deltas[active[i]!]!, h.clamp_norm_factor * norm(initial[active[i]!]!))
      if (going.length < active.length) {
        const narrowed = work.only(going)
        work.dispose()
        active = going.map((i) => active[i]!)
        work = narrowed
      }
    }
  } finally {
    work.dispose()
  }
  return deltas.map((delta, i) => ({ delta, losses: losses[i]!, ...last[i]! }))
}

function clamp(delta: Float32Array, longest: number): void {
  const size = norm(delta)
  if (size > longest) for (let i = 0; i < delta.length; i++) delta[i] = (delta[i]! * longest) / size
}

/** The loss of some facts as a function of their value changes, with all that does not depend on them computed before. */
class Work {
  readonly #model: LanguageModel
  readonly #h: RomeHyperparameters
  /** Rows, their facts numbered 0..facts-1. */
  readonly #rows: readonly Row[]
  readonly #facts: number
  /** Residual stream from the subject's last token on, `[rows, seq, dim]`. */
  readonly #suffix: tf.Tensor3D
  /** What W_proj gives at the subject's last token before the edit, `[rows, dim]`. */
  readonly #values: tf.Tensor2D
  readonly #past: KeyValueCache | undefined
  /** Log probabilities after the subject before the edit, `[facts, vocab]`; known after the first evaluation. */
  #initial: tf.Tensor2D | undefined

  constructor(
    model: LanguageModel,
    rows: readonly Row[],
    h: RomeHyperparameters,
    before: { suffix: tf.Tensor3D; values: tf.Tensor2D; past: KeyValueCache | undefined; initial?: tf.Tensor2D }
  ) {
    this.#model = model
    this.#h = h
    this.#rows = rows
    this.#facts = new Set(rows.map((r) => r.fact)).size
    this.#suffix = before.suffix
    this.#values = before.values
    this.#past = before.past
    this.#initial = before.initial
  }

  evaluate(deltas: readonly Float32Array[]): { nll: number[]; kl: number[]; gradients: Float32Array[] } {
    const { dim } = this.#model.config
    const rows = this.#rows
    const nll = new Array<number>(this.#facts).fill(0)
    let kl: number[] = []
    let gradients: Float32Array[] = []
    const labelled = rows.flatMap((row, i) => row.labels.map((label, j) => ({ row: i, fact: row.fact, label, j })))
    const drift = rows.flatMap((row, i) => (row.labels.length === 0 ? [i] : []))
    const perFact = this.#labelsPerFact()
    const weights = Float32Array.from(labelled, (l) => 1 / perFact[l.fact]!)
    const logitsAt = {
      rows: Int32Array.from([...labelled.map((l) => l.row), ...drift]),
      positions: Int32Array.from([
        ...labelled.map((l) => rows[l.row]!.ids.length - rows[l.row]!.labels.length + l.j - rows[l.row]!.subject),
        ...drift.map(() => 0)
      ])
    }
    tf.tidy(() => {
      const objective = (delta: tf.Tensor): tf.Scalar => {
        const logits = this.#logits(delta as tf.Tensor2D, logitsAt)
        const vocab = logits.shape[1]
        const said = tf.slice(logits, [0, 0], [labelled.length, vocab])
        const perLabel = crossEntropy(
          said,
          tf.tensor1d(
            labelled.map((l) => l.label),
            'int32'
          )
        )
        for (const [i, value] of perLabel.dataSync().entries()) nll[labelled[i]!.fact]! += value * weights[i]!
        const now = tf.logSoftmax(tf.slice(logits, [labelled.length, 0], [drift.length, vocab])) as tf.Tensor2D
        this.#initial ??= tf.keep(tf.tensor2d(now.dataSync() as Float32Array, now.shape))
        const divergence = now.exp().mul(now.sub(this.#initial)).sum(1)
        kl = [...divergence.dataSync()]
        return perLabel.mul(tf.tensor1d(weights)).sum().add(divergence.sum().mul(this.#h.kl_factor))
      }
      const flat = new Float32Array(deltas.length * dim)
      for (const [i, delta] of deltas.entries()) flat.set(delta, i * dim)
      const gradient = tf
        .grad(objective)(tf.tensor2d(flat, [deltas.length, dim]))
        .dataSync() as Float32Array
      gradients = deltas.map((_, i) => gradient.slice(i * dim, (i + 1) * dim))
    })
    return { nll, kl, gradients }
  }

  /** The rest of the work when only these facts go on. */
  only(facts: readonly number[]): Work {
    const keep = this.#rows.flatMap((row, i) => (facts.includes(row.fact) ? [i] : []))
    const rows = keep.map((i) => ({ ...this.#rows[i]!, fact: facts.indexOf(this.#rows[i]!.fact) }))
    const at = tf.tensor1d(keep, 'int32')
    const pick = <T extends tf.Tensor>(t: T): T => tf.gather(t, at)
    const past = this.#past && {
      keys: new Map([...this.#past.keys].map(([layer, t]) => [layer, pick(t)])),
      values: new Map([...this.#past.values].map(([layer, t]) => [layer, pick(t)])),
      lengths: keep.map((i) => this.#past!.lengths[i]!),
      past: this.#past.past
    }
    const kept = {
      suffix: pick(this.#suffix),
      values: pick(this.#values),
      past,
      initial: tf.tidy(() => tf.gather(this.#initial!, tf.tensor1d([...facts], 'int32')))
    }
    at.dispose()
    return new Work(this.#model, rows, this.#h, kept)
  }

  dispose(): void {
    this.#suffix.dispose()
    this.#values.dispose()
    this.#initial?.dispose()
    disposeCache(this.#past)
  }

  #logits(delta: tf.Tensor2D, logitsAt: { rows: Int32Array; positions: Int32Array }): tf.Tensor2D {
    const rows = this.#rows
    const [batch, seq, dim] = this.#suffix.shape
    const facts = Int32Array.from(rows, (r) => r.fact)
    const ofRow = tf.gather(delta, tf.tensor1d(facts, 'int32')) as tf.Tensor2D
    const perRow = this.#model.mlpEffect(this.#h.layer, this.#values, ofRow).reshape([batch, 1, dim])
    const added = seq > 1 ? tf.concat([perRow, tf.zeros([batch, seq - 1, dim])], 1) : perRow
    const tokens: TokenBatch = {
      ids: new Int32Array(batch * seq),
      batch,
      seq,
      lengths: rows.map((r) => r.ids.length - r.subject)
    }
    const hidden = this.#suffix.add(added) as tf.Tensor3D
    const past = this.#past === undefined ? {} : { past: this.#past }
    return this.#model.forward(tokens, { from: { layer: this.#h.layer + 1, hidden }, logitsAt, ...past }).logits!
  }

  /** Labels of a fact in all its rows: what its mean divides by. */
  #labelsPerFact(): number[] {
    const counts = new Array<number>(this.#facts).fill(0)
    for (const { fact, labels } of this.#rows) counts[fact]! += labels.length
    return counts
  }
}

function stacked(vectors: readonly Float32Array[]): tf.Tensor2D {
  const width = vectors[0]!.length
  const out = new Float32Array(vectors.length * width)
  for (const [i, v] of vectors.entries()) out.set(v, i * width)
  return tf.tensor2d(out, [vectors.length, width])
}

function suffixOf(rows: readonly Row[], { hidden, seq }: SubjectStates, dim: number): tf.Tensor3D {
  const longest = Math.max(...rows.map((r) => r.ids.length - r.subject))
  const out = new Float32Array(rows.length * longest * dim)
  for (const [i, { ids, subject }] of rows.entries()) {
    out.set(hidden.subarray((i * seq + subject) * dim, (i * seq + ids.length) * dim), i * longest * dim)
  }
  return tf.tensor3d(out, [rows.length, longest, dim])
}

/** Keys and values of the positions before the subject's last token in the blocks above the edited one. */
function pastOf(
  model: LanguageModel,
  rows: readonly Row[],
  { hidden, seq }: SubjectStates,
  layer: number
): KeyValueCache | undefined {
  const lengths = rows.map((r) => r.subject)
  const longest = Math.max(...lengths)
  const { dim } = model.config
  if (longest === 0) return undefined
  const tokens = { ids: new Int32Array(rows.length * longest), batch: rows.length, seq: longest, lengths }
  const prefix = new Float32Array(rows.length * longest * dim)
  for (const [i, length] of lengths.entries())
    prefix.set(hidden.subarray(i * seq * dim, (i * seq + length) * dim), i * longest * dim)
  const from = { layer: layer + 1, hidden: tf.tensor3d(prefix, [rows.length, longest, dim]) }
  const { hidden: unused, cache } = model.forward(tokens, { from, keepCache: true })
  const aligned = leftAlign(cache!, lengths)
  tf.dispose([from.hidden, unused])
  disposeCache(cache)
  return aligned
}
