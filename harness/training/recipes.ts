import type { ModelConfig } from '../model/types'

/** Everything that decides what a training run produces. */
export interface Recipe {
  readonly name: string
  readonly config: ModelConfig
  readonly seed: number
  /** Tokens seen in all; the corpus is repeated, shuffled anew every time. */
  readonly tokens: number
  /** Rows of a step, and their length in tokens. */
  readonly batch: number
  readonly seq: number
  /** Peak learning rate; linear warm-up, then a cosine down to `finalShare` of it. */
  readonly learningRate: number
  readonly warmupSteps: number
  readonly finalShare: number
  readonly weightDecay: number
  readonly beta1: number
  readonly beta2: number
  /** Gradients are scaled down to this global norm. */
  readonly clipNorm: number
}

const TRAINING = {
  seed: 0,
  tokens: 8e6,
  batch: 16,
  seq: 128,
  learningRate: 2e-3,
  warmupSteps: 100,
  finalShare: 0.05,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  clipNorm: 1
} as const

/** The embedded models. */
export const RECIPES: readonly Recipe[] = [
  {
    name: 'gptj-mini',
    ...TRAINING,
    config: {
      architecture: 'gptj',
      layers: 6,
      dim: 192,
      heads: 6,
      kvHeads: 6,
      headDim: 32,
      ffDim: 768,
      vocab: 2048,
      maxPositions: 256,
      normEps: 1e-5,
      rotaryDim: 16,
      rotaryTheta: 10000,
      tiedHead: false
    }
  }
]
