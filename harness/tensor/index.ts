export type { BackendChoice, BackendName, BackendOptions, BackendTrial } from './backend'
export { BACKENDS, useBackend } from './backend'
export { countMatmulFlops, matmulFlops, resetMatmulFlops } from './flops'
export { watchTensorBytes } from './memory'
export type { AttentionOptions, RotaryStyle } from './ops'
export {
  attention,
  crossEntropy,
  gelu,
  geluErf,
  layerNorm,
  linear,
  mergeHeads,
  orthogonal,
  rmsNorm,
  rotary,
  silu,
  splitHeads,
  swiglu
} from './ops'
export { copyValues, joined, valuesOf } from './values'
