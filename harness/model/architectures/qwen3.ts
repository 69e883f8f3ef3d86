import { swiglu } from '../../tensor'
import { ConfigReader } from './config-reader'
import { gatedConfig, gatedConfigJson, gatedWeights, preNormBlock, windowsOf } from './gated'
import { windowsJson } from './qwen2'
import type { Architecture } from './types'

/** Qwen 3 (arXiv 2505.09388): Llama with an RMS norm on every head's queries and keys. */
export const qwen3: Architecture = {
  name: 'qwen3',
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  rotaryStyle: 'half',

  config(json) {
    const read = new ConfigReader(json)
    read.only('hidden_act', ['silu'], 'silu')
    const attention = read.boolean('attention_bias', false)
    const base = gatedConfig('qwen3', { head_dim: 128, ...json })
    const config = attention ? { ...base, biases: { qkv: true, attnOut: true, mlp: false } } : base
    if (!read.boolean('use_sliding_window', false) || json.sliding_window === null) return config
    const from = read.number('max_window_layers', 28)
    return { ...config, windows: windowsOf(json, config.layers, read.number('sliding_window', 4096), (n) => n >= from) }
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
