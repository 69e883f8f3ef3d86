import * as tf from '@tensorflow/tfjs-core'
import { ACTIVATIONS, type Activation } from '../../harness/edit/kinds/neurons'
import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { crossEntropy, joined, valuesOf } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { Adam } from '../../harness/tensor/optimizer'
import { logitsFrom } from '../last-mlp/head'
import type { Lesson } from '../last-mlp/lessons'
import { activationLoss, type LossRules, memoryLoss } from './losses'
import type { Memory } from './memory'

/** Names as in the official code's arguments. */
export interface TrainingRules extends LossRules {
  readonly lr: number
  readonly weight_decay: number
  readonly alc: number
  readonly mlc: number
  readonly activation: Activation
  readonly max_edit_step: number
  readonly check_val_every_n_epoch: number
  readonly start_val_epoch: number
  readonly early_patience: number
}

/** Patches of one fact, a row each: key `[dim]`, bias, and value = w ∘ a `[dim]`. */
export interface Patches {
  readonly keys: Float32Array
  readonly biases: Float32Array
  readonly w: Float32Array
  readonly a: Float32Array
}

export interface Trained {
  /** Loss of the target, before every step. */
  readonly losses: readonly number[]
  /** Of the last step. */
  readonly activation: number
  readonly memory: number
  /** Whether all tokens of the target were chosen when it ended. */
  readonly right: boolean
}

/** Gradients are clipped to this length. */
const CLIP = 5
/** Of the learning rate, when the loss does not fall by so much of itself at two checks. */
const PLATEAU = { factor: 0.5, patience: 1, threshold: 0.05 }
/** By how much the loss of the memory has to fall to be better. */
const BETTER = 1e-3

/**
 * Trains the patches of every lesson, in place, each for itself though all run together: patches act on their own lesson's tokens alone.
 * @param patches of every lesson, one for each of its wrong tokens that is patched
 */
export function trainPatches(
  model: LanguageModel,
  lessons: readonly Lesson[],
  patches: readonly Patches[],
  memory: Memory,
  rules: TrainingRules
): Trained[] {
  const students = lessons.map((lesson, i) => new Student(lesson, patches[i]!, model.config.dim, rules))
  let active = new Together(
    model,
    students.filter((s) => s.count > 0)
  )
  const memories = [memory.train, memory.val].map((m) =>
    tf.tensor2d(m, [m.length / model.config.dim, model.config.dim])
  )
  try {
    for (let step = 1; step <= rules.max_edit_step && active.students.length > 0; step++) {
      const found = active.gradients(rules)
      const silent = active.silentActs(memories[0]!)
      for (const [i, student] of active.students.entries()) student.step(found[i]!, silent[i]!, memory.train)
      if (step % rules.check_val_every_n_epoch !== 0) continue
      const losses = active.losses(rules)
      const held = active.silentActs(memories[1]!)
      for (const [i, student] of active.students.entries()) student.check(step, losses[i]!, held[i]!)
      if (!active.students.some((s) => s.done)) continue
      const rest = active.students.filter((s) => !s.done)
      active.dispose()
      active = new Together(model, rest)
    }
    if (active.students.length > 0) {
      const losses = active.losses(rules)
      for (const [i, student] of active.students.entries()) student.right = losses[i]!.right
    }
  } finally {
    active.dispose()
    tf.dispose(memories)
  }
  return students.map(({ losses, activation, memory: held, right }) => ({ losses, activation, memory: held, right }))
}

/** The loss of a lesson's target, and its gradients for keys, biases and values. */
interface TargetGradients {
  readonly loss: number
  readonly keys: Float32Array
  readonly biases: Float32Array
  readonly values: Float32Array
}

interface TargetLoss {
  readonly loss: number
  readonly right: boolean
}

/** A lesson's patches on their way. */
class Student {
  readonly count: number
  readonly losses: number[] = []
  activation = 0
  memory = 0
  right: boolean
  done = false
  readonly #adam: Adam
  #learningRate: number
  #best = Number.POSITIVE_INFINITY
  #bad = 0
  readonly #memoryLosses: number[] = []

  constructor(
    readonly lesson: Lesson,
    readonly patches: Patches,
    readonly dim: number,
    readonly rules: TrainingRules
  ) {
    this.count = patches.biases.length
    this.right = this.count === 0
    this.#adam = new Adam(new Map(Object.entries(patches)), { learningRate: rules.lr })
    this.#learningRate = rules.lr
  }

  /** w ∘ a. */
  values(): Float32Array {
    const { w, a } = this.patches
    return w.map((x, i) => x * a[i]!)
  }

  /** What enters the MLP at the token that a patch is for. */
  #query(patch: number): Float32Array {
    const token = this.lesson.wrong[patch]!
    return this.lesson.queries.subarray(token * this.dim, (token + 1) * this.dim)
  }

  /** Pre-activations of patches at their own tokens. */
  #acts(): number[] {
    const { keys, biases } = this.patches
    return Array.from({ length: this.count }, (_, p) => {
      const query = this.#query(p)
      let sum = biases[p]!
      for (let i = 0; i < this.dim; i++) sum += query[i]! * keys[p * this.dim + i]!
      return sum
    })
  }

  step(target: TargetGradients, silent: Float32Array, memories: Float32Array): void {
    const { dim, rules, patches } = this
    const acts = this.#acts()
    const act = activationLoss(acts, rules)
    const held = memoryLoss(silent, acts, rules)
    this.losses.push(target.loss)
    this.activation = act.loss
    this.memory = held.loss
    const total = target.loss + rules.alc * act.loss + rules.mlc * held.loss
    if (!Number.isFinite(total))
      throw new UserError(`the loss of the patches is ${total} at step ${this.losses.length}`, {
        hint: 'try a smaller lr'
      })
    const { keys, biases } = target
    const pull = (patch: number, slope: number, at: Float32Array, from = 0) => {
      for (let i = 0; i < dim; i++) keys[patch * dim + i] = keys[patch * dim + i]! + slope * at[from + i]!
      biases[patch] = biases[patch]! + slope
    }
    for (let p = 0; p < this.count; p++)
      pull(p, rules.alc * act.gradient[p]! + rules.mlc * held.gradient[p]!, this.#query(p))
    for (const { patch, memory, slope } of held.pulls) pull(patch, rules.mlc * slope, memories, memory * dim)
    const { w, a } = patches
    const gradients = new Map([
      ['keys', keys],
      ['biases', biases],
      ['w', target.values.map((g, i) => g * a[i]!)],
      ['a', target.values.map((g, i) => g * w[i]!)]
    ])
    const length = Math.hypot(...[...gradients.values()].map(norm))
    const scale = Math.min(1, CLIP / (length + 1e-6))
    for (const [name, gradient] of gradients) {
      const now = patches[name as keyof Patches]
      for (let i = 0; i < gradient.length; i++) gradient[i] = gradient[i]! * scale + rules.weight_decay * now[i]!
    }
    this.#adam.step(gradients, { learningRate: this.#learningRate })
  }

  check(step: number, { loss, right }: TargetLoss, silent: Float32Array): void {
    this.right = right
    if (loss < this.#best * (1 - PLATEAU.threshold)) {
      this.#best = loss
      this.#bad = 0
    } else if (++this.#bad > PLATEAU.patience) {
      this.#learningRate *= PLATEAU.factor
      this.#bad = 0
    }
    if (step <= this.rules.start_val_epoch || !right) return
    this.#memoryLosses.push(memoryLoss(silent, this.#acts(), this.rules).loss)
    let best = 0
    for (const [i, m] of this.#memoryLosses.entries()) if (m < this.#memoryLosses[best]! - BETTER) best = i
    this.done = best < this.#memoryLosses.length - this.rules.early_patience
  }
}

/** All tokens and patches of some lessons in one, with what does not depend on patches. */
class Together {
  readonly #rows: number
  readonly #count: number
  readonly #constant: Readonly<Record<'queries' | 'outputs' | 'stream' | 'mask', tf.Tensor2D>> | undefined
  readonly #labels: number[]
  readonly #shares: Float32Array

  constructor(
    readonly model: LanguageModel,
    readonly students: readonly Student[]
  ) {
    this.#rows = students.reduce((sum, { lesson }) => sum + lesson.target.length, 0)
    this.#count = students.reduce((sum, s) => sum + s.count, 0)
    this.#labels = students.flatMap(({ lesson }) => lesson.target)
    this.#shares = Float32Array.from(students.flatMap(({ lesson: { target } }) => target.map(() => 1 / target.length)))
    if (students.length === 0) return
    const { dim } = model.config
    this.#constant = {
      queries: this.#all((s) => s.lesson.queries, dim),
      outputs: this.#all((s) => s.lesson.outputs, dim),
      stream: this.#all((s) => s.lesson.stream, dim),
      mask: tf.tensor2d(this.#mask(), [this.#rows, this.#count])
    }
  }

  dispose(): void {
    tf.dispose({ ...this.#constant })
  }

  /** Where a row's patches are those of its own lesson, `[rows, patches]`. */
  #mask(): Float32Array {
    const mask = new Float32Array(this.#rows * this.#count)
    let [row, patch] = [0, 0]
    for (const { lesson, count } of this.students) {
      for (let i = 0; i < lesson.target.length; i++, row++)
        mask.fill(1, row * this.#count + patch, row * this.#count + patch + count)
      patch += count
    }
    return mask
  }

  /** Arrays of all lessons one after another, `[rows, width]`. */
  #all(of: (s: Student) => Float32Array, width: number): tf.Tensor2D {
    const flat = joined(this.students.map(of))
    return tf.tensor2d(flat, [flat.length / width, width])
  }

  /** Keys `[patches, dim]`, biases `[patches, 1]` and values `[patches, dim]`. */
  #parameters(): [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D] {
    const { dim } = this.model.config
    return [
      this.#all((s) => s.patches.keys, dim),
      this.#all((s) => s.patches.biases, 1),
      this.#all((s) => s.values(), dim)
    ]
  }

  /** Logits where targets are predicted, `[rows, vocab]`. */
  #logits(activation: Activation, keys: tf.Tensor, biases: tf.Tensor, values: tf.Tensor): tf.Tensor2D {
    const { queries, outputs, stream, mask } = this.#constant!
    const inside = tf.matMul(queries, keys as tf.Tensor2D, false, true).add(biases.reshape([1, this.#count]))
    const acting = ACTIVATIONS[activation](inside as tf.Tensor2D).mul(mask) as tf.Tensor2D
    const added = tf.matMul(acting, values as tf.Tensor2D) as tf.Tensor2D
    const effect = this.model.mlpEffect(this.model.config.layers - 1, outputs, added)
    return logitsFrom(this.model, stream.add(effect) as tf.Tensor2D)
  }

  /** Values of tokens, or of patches of a width, by lesson. */
  #byLesson<T extends Float32Array | Int32Array>(all: T, sizeOf: (s: Student) => number): T[] {
    let first = 0
    return this.students.map((s) => {
      const from = first
      first += sizeOf(s)
      return all.subarray(from, first) as T
    })
  }

  #means(perToken: Float32Array): number[] {
    const own = this.#byLesson(perToken, (s) => s.lesson.target.length)
    return own.map((losses) => losses.reduce((sum, x) => sum + x, 0) / losses.length)
  }

  gradients({ activation }: TrainingRules): TargetGradients[] {
    const { dim } = this.model.config
    let losses: number[] = []
    let found: [Float32Array, Float32Array, Float32Array] | undefined
    tf.tidy(() => {
      const labels = tf.tensor1d(this.#labels, 'int32')
      const loss = (k: tf.Tensor, b: tf.Tensor, v: tf.Tensor) => {
        const perToken = crossEntropy(this.#logits(activation, k, b, v), labels)
        losses = this.#means(perToken.dataSync() as Float32Array)
        return perToken.mul(tf.tensor1d(this.#shares)).sum()
      }
      found = tf
        .grads(loss)(this.#parameters())
        .map((g) => g.dataSync()) as NonNullable<typeof found>
    })
    const [keys, biases, values] = [dim, 1, dim].map((width, i) =>
      this.#byLesson(found![i]!, (s) => s.count * width)
    ) as [Float32Array[], Float32Array[], Float32Array[]]
    return losses.map((loss, i) => ({ loss, keys: keys[i]!, biases: biases[i]!, values: values[i]! }))
  }

  losses({ activation }: TrainingRules): TargetLoss[] {
    let losses: number[] = []
    let chosen = new Int32Array()
    tf.tidy(() => {
      const logits = this.#logits(activation, ...this.#parameters())
      losses = this.#means(crossEntropy(logits, tf.tensor1d(this.#labels, 'int32')).dataSync() as Float32Array)
      chosen = Int32Array.from(logits.argMax(1).dataSync())
    })
    const own = this.#byLesson(chosen, (s) => s.lesson.target.length)
    return this.students.map(({ lesson: { target } }, i) => ({
      loss: losses[i]!,
      right: target.every((label, j) => own[i]![j] === label)
    }))
  }

  /** Pre-activations of every lesson's patches at all memories, `[patches, memories]` each. */
  silentActs(memories: tf.Tensor2D): Float32Array[] {
    const acts = valuesOf(() => {
      const [keys, biases] = this.#parameters()
      return tf.matMul(keys, memories, false, true).add(biases) // [patches, memories]
    })
    return this.#byLesson(acts, (s) => s.count * memories.shape[0])
  }
}
