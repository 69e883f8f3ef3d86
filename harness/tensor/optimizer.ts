/** Hyper-parameters of Adam with decoupled weight decay, as in torch.optim.AdamW (arXiv 1711.05101). */
export interface AdamOptions {
  readonly learningRate: number
  readonly beta1?: number
  readonly beta2?: number
  readonly epsilon?: number
  /** Decay rate of the named parameters; 0 where missing. */
  readonly weightDecay?: (name: string) => number
}

/**
 * Adam over plain arrays, step for step what torch does: bias-corrected moments, epsilon outside the root.
 * Parameters are changed in place. `state` can be stored and put back to go on from a checkpoint.
 */
export class Adam {
  readonly #parameters: ReadonlyMap<string, Float32Array>
  readonly #options: Required<AdamOptions>
  readonly #first = new Map<string, Float32Array>()
  readonly #second = new Map<string, Float32Array>()
  #steps = 0

  constructor(parameters: ReadonlyMap<string, Float32Array>, options: AdamOptions) {
    this.#parameters = parameters
    this.#options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: () => 0, ...options }
    for (const [name, values] of parameters) {
      this.#first.set(name, new Float32Array(values.length))
      this.#second.set(name, new Float32Array(values.length))
    }
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
      const m = this.#first.get(name)!
      const v = this.#second.get(name)!
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

  get state(): { steps: number; first: ReadonlyMap<string, Float32Array>; second: ReadonlyMap<string, Float32Array> } {
    return { steps: this.#steps, first: this.#first, second: this.#second }
  }

  restore(state: Adam['state']): void {
    this.#steps = state.steps
    for (const [name, values] of state.first) this.#first.get(name)!.set(values)
    for (const [name, values] of state.second) this.#second.get(name)!.set(values)
  }
}

/** √Σg² over all gradients, the norm that gradient clipping compares with. */
export function globalNorm(gradients: ReadonlyMap<string, Float32Array>): number {
  let sum = 0
  for (const g of gradients.values()) for (let i = 0; i < g.length; i++) sum += g[i]! * g[i]!
  return Math.sqrt(sum)
}
