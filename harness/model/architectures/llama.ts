import { swiglu } from '../../tensor'
import { gatedConfig, gatedConfigJson, gatedWeights, preNormBlock } from './gated'
import type { Architecture } from './types'

/** Llama 1 to 3 (Touvron et al. 2023; arXiv 2407.21783): RMS norm, rotary positions, grouped-query attention, gated MLP. */
export const llama: Architecture = {
  name: 'llama',
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  rotaryStyle: 'half',

  config(read) {
    read.only('hidden_act', ['silu'], 'silu')
    const attention = read.boolean('attention_bias', false)
    const mlp = read.boolean('mlp_bias', false)
    const config = gatedConfig('llama', read)
    return attention || mlp ? { ...config, biases: { qkv: attention, attnOut: attention, mlp } } : config
  },

  configJson: (c) => ({
    ...gatedConfigJson(c),
    hidden_act: 'silu',
    attention_bias: c.biases?.qkv === true,
    mlp_bias: c.biases?.mlp === true
  }),
  weights: (config) => gatedWeights(config),
  block: (pass, layer, x) => preNormBlock(pass, layer, x, swiglu)
}
