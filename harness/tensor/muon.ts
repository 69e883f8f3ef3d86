import * as tf from '@tensorflow/tfjs-core'
import { orthogonal } from './ops'
import { copyValues } from './values'

/** A parameter: values `[rows, columns]`, changed in place, its momentum, and its gradient. */
export interface MuonParameter {
  readonly values: Float32Array
  readonly momentum: Float32Array
  readonly gradient: Float32Array
  readonly shape: readonly [number, number]
}

export interface MuonOptions {
  readonly momentum: number
  readonly weightDecay: number
}

const EPS = 1e-7

/**
 * Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon): momentum whose matrix is made orthogonal before it is taken as the step. As in
 * torch.optim.Muon with Nesterov momentum and `match_rms_adamw`, so that AdamW's learning rate and decay fit (Liu et al. 2025, arXiv 2502.16982);
 * in 32 bits instead of bfloat16.
 */
export class Muon {
  readonly #options: MuonOptions
  /** Memory for a direction, by its length: of a step nothing is left to be collected. */
  readonly #scratch = new Map<number, Float32Array>()

  constructor(options: MuonOptions) {
    this.#options = options
  }

  /** Moves a parameter one step by its gradient, times `scale`. */
  step(
    { values, momentum: m, gradient, shape: [rows, columns] }: MuonParameter,
    { learningRate, scale = 1 }: { readonly learningRate: number; readonly scale?: number }
  ): void {
    const { momentum, weightDecay } = this.#options
    const size = rows * columns
    const direction = this.#scratch.get(size) ?? new Float32Array(size)
    this.#scratch.set(size, direction)
    let squares = 0
    for (let i = 0; i < size; i++) {
      const g = gradient[i]! * scale
      const mi = momentum * m[i]! + (1 - momentum) * g
      const d = (1 - momentum) * g + momentum * mi
      m[i] = mi
      direction[i] = d
      squares += d * d
    }
    const shrink = 1 / Math.max(EPS, Math.sqrt(squares))
    for (let i = 0; i < size; i++) direction[i] = direction[i]! * shrink
    tf.tidy(() => copyValues(orthogonal(tf.tensor2d(direction, [rows, columns])), direction))
    const rate = learningRate * 0.2 * Math.sqrt(Math.max(rows, columns))
    const keep = 1 - learningRate * weightDecay
    for (let i = 0; i < size; i++) values[i] = values[i]! * keep - rate * direction[i]!
  }
}
