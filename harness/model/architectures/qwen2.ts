import { swiglu } from '../../tensor'
import { gatedConfig, gatedConfigJson, gatedWeights, layerTypes, optionalWindows, preNormBlock } from './gated'
import type { Architecture } from './types'

/** Qwen 2 and 2.5 (arXiv 2407.10671): Llama with biases on queries, keys and values, and optional windows in the upper blocks. */
export const qwen2: Architecture = {
  name: 'qwen2',
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  rotaryStyle: 'half',

  config(read) {
    read.only('hidden_act', ['silu'], 'silu')
    const config = gatedConfig('qwen2', read)
    return { ...config, biases: { qkv: true, attnOut: false, mlp: false }, ...optionalWindows(read, config.layers) }
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
