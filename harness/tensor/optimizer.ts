/** Hyper-parameters of Adam with decoupled weight decay, as in torch.optim.AdamW (arXiv 1711.05101). */
export interface AdamOptions {
  readonly learningRate: number
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** Decay rate of the named parameters; 0 where missing. */
  readonly weightDecay?: (name: string) => number
  /** Where the moments are kept; memory of its own when missing. */
  readonly moments?: Moments
}

export interface Moments {
  readonly first: ReadonlyMap<string, Float32Array>
  readonly second: ReadonlyMap<string, Float32Array>
}

/**
 * Adam over plain arrays, step for step what torch does: bias-corrected moments, epsilon outside the root.
 * Parameters are changed in place. `state` can be stored and put back to go on from a checkpoint.
 */
export class Adam {
  readonly #parameters: ReadonlyMap<string, Float32Array>
  readonly #options: Required<Omit<AdamOptions, 'moments'>>
  readonly #moments: Moments
  #steps = 0

  constructor(parameters: ReadonlyMap<string, Float32Array>, options: AdamOptions) {
    this.#parameters = parameters
    this.#options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: () => 0, ...options }
    const zeros = () => new Map([...parameters].map(([name, { length }]) => [name, new Float32Array(length)]))
    this.#moments = options.moments ?? { first: zeros(), second: zeros() }
  }

  /** Goes on as if so many steps had been made. */
  set steps(steps: number) {
    this.#steps = steps
  }

  /** Moves every parameter that has a gradient (scaled by `scale`) one step. */
  step(
    gradients: ReadonlyMap<string, Float32Array>,
    { learningRate = this.#options.learningRate, scale = 1 }: { learningRate?: number; scale?: number } = {}
  ): void {
    this.#steps++
    const { beta1, beta2, epsilon, weightDecay } = this.#options
    const stepSize = learningRate / (1 - beta1 ** this.#steps)
    const rootCorrection = Math.sqrt(1 - beta2 ** this.#steps)
    for (const [name, gradient] of gradients) {
      const p = this.#parameters.get(name)!
      const m = this.#moments.first.get(name)!
      const v = this.#moments.second.get(name)!
      const keep = 1 - learningRate * weightDecay(name)
      for (let i = 0; i < p.length; i++) {
        const g = gradient[i]! * scale
        const mi = beta1 * m[i]! + (1 - beta1) * g
        const vi = beta2 * v[i]! + (1 - beta2) * g * g
        m[i] = mi
        v[i] = vi
        p[i] = p[i]! * keep - (stepSize * mi) / (Math.sqrt(vi) / rootCorrection + epsilon)
      }
    }
  }
}
