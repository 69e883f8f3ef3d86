import { swiglu } from '../../tensor'
import { ConfigReader } from './config-reader'
import { gatedConfig, gatedConfigJson, gatedWeights, layerTypes, preNormBlock, windowsOf } from './gated'
import type { Architecture } from './types'

/** Qwen 2 and 2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values, and optional windows in the upper blocks. */
export const qwen2: Architecture = {
  name: 'qwen2',
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  rotaryStyle: 'half',

  config(json) {
    const read = new ConfigReader(json)
    read.only('hidden_act', ['silu'], 'silu')
    const config = { ...gatedConfig('qwen2', json), biases: { qkv: true, attnOut: false, mlp: false } }
    if (!read.boolean('use_sliding_window', false) || json.sliding_window === null) return config
    const from = read.number('max_window_layers', 28)
    return { ...config, windows: windowsOf(json, config.layers, read.number('sliding_window', 4096), (n) => n >= from) }
  },

  configJson: (c) => ({ ...gatedConfigJson(c), hidden_act: 'silu', ...windowsJson(c.windows) }),
  weights: (config) => gatedWeights(config),
  block: (pass, layer, x) => preNormBlock(pass, layer, x, swiglu)
}

/** Of Qwen 2 and 3. */
export function windowsJson(windows: readonly (number | null)[] | undefined): Record<string, unknown> {
  if (windows === undefined) return { use_sliding_window: false }
  const window = windows.find((w) => w !== null)
  return { use_sliding_window: true, sliding_window: window ?? null, layer_types: layerTypes(windows) }
}
