import type { FusedOps } from '../../ops'
import { defineGelu, defineGeluErf, defineSilu, defineSwiglu } from './activation'
import { defineAttention } from './attention'
import { defineMergeHeads, defineRotary, defineSplitHeads } from './heads'
import { defineLinear } from './linear'
import { defineCrossEntropy } from './loss'
import { defineLayerNorm, defineRmsNorm } from './norm'
import { defineOrthogonal } from './orthogonal'

/** Registers the fused kernels of the `onnxruntime` backend and their gradients; returns the ops that use them. */
export function defineFusedOps(): FusedOps {
  return {
    linear: defineLinear(),
    layerNorm: defineLayerNorm(),
    rmsNorm: defineRmsNorm(),
    gelu: defineGelu(),
    geluErf: defineGeluErf(),
    silu: defineSilu(),
    swiglu: defineSwiglu(),
    splitHeads: defineSplitHeads(),
    mergeHeads: defineMergeHeads(),
    rotary: defineRotary(),
    attention: defineAttention(),
    crossEntropy: defineCrossEntropy(),
    orthogonal: defineOrthogonal()
  }
}
