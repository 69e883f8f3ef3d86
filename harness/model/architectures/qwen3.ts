import { swiglu } from '../../tensor'
import { gatedConfig, gatedConfigJson, gatedWeights, optionalWindows, preNormBlock } from './gated'
import { windowsJson } from './qwen2'
import type { Architecture } from './types'

/** Qwen 3 (arXiv 2505.09388): Llama with an RMS norm on every head's queries and keys. */
export const qwen3: Architecture = {
  name: 'qwen3',
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  rotaryStyle: 'half',

  config(read) {
    read.only('hidden_act', ['silu'], 'silu')
    const attention = read.boolean('attention_bias', false)
    const base = { ...gatedConfig('qwen3', read, { headDim: 128 }) }
    const config = attention ? { ...base, biases: { qkv: true, attnOut: true, mlp: false } } : base
    return { ...config, ...optionalWindows(read, config.layers) }
  },

  configJson: (c) => ({
    ...gatedConfigJson(c),
    hidden_act: 'silu',
    attention_bias: c.biases?.qkv === true,
    ...windowsJson(c.windows)
  }),
  weights: (config) => gatedWeights(config, { headNorms: true }),
  block: (pass, layer, x) => preNormBlock(pass, layer, x, swiglu)
}
