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
  /** Of matrices inside the blocks, which Muon moves; everything else is AdamW's. */
  readonly muonMomentum: number
  readonly beta1: number
  readonly beta2: number
  /** Gradients are scaled down to this global norm. */
  readonly clipNorm: number
  /** So many tokens come first from texts about a dense share of the subjects (and about nobody) alone. */
  readonly curriculum: { readonly tokens: number; readonly share: number }
  /** Each computes its rows of a batch: part of the recipe, since it decides the order of sums. */
  readonly threads: number
}

const TRAINING = {
  seed: 0,
  tokens: 5e6,
  batch: 8,
  seq: 128,
  learningRate: 2e-3,
  warmupSteps: 100,
  finalShare: 0.05,
  weightDecay: 0.1,
  muonMomentum: 0.95,
  beta1: 0.9,
  beta2: 0.95,
  clipNorm: 1,
  curriculum: { tokens: 1e6, share: 0.2 },
  threads: 2
} as const

const SIZE = {
  layers: 8,
  dim: 192,
  heads: 6,
  kvHeads: 6,
  headDim: 32,
  ffDim: 768,
  vocab: 1024,
  maxPositions: 256,
  normEps: 1e-5,
  rotaryTheta: 10000,
  tiedHead: false
} as const

/** The embedded models. */
export const RECIPES: readonly Recipe[] = [
  { name: 'gptj-mini', ...TRAINING, config: { ...SIZE, architecture: 'gptj', rotaryDim: 16 } },
  // Learnt positions and a tied head take longer.
  {
    name: 'gpt2-mini',
    ...TRAINING,
    tokens: 8e6,
    config: { ...SIZE, architecture: 'gpt2', rotaryDim: 0, tiedHead: true }
  },
  { name: 'llama-mini', ...TRAINING, config: { ...SIZE, architecture: 'llama', rotaryDim: 32, ffDim: 512 } }
]

/** Linear warm-up, then half a cosine. */
export function learningRateAt(recipe: Recipe, step: number, steps: number): number {
  const warm = Math.min(1, (step + 1) / recipe.warmupSteps)
  const cosine = 0.5 * (1 + Math.cos((Math.PI * step) / steps))
  return recipe.learningRate * warm * (recipe.finalShare + (1 - recipe.finalShare) * cosine)
}
