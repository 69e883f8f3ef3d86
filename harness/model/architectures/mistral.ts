import { swiglu } from '../../tensor'
import { gatedConfig, gatedConfigJson, gatedWeights, preNormBlock } from './gated'
import type { Architecture } from './types'

/** Mistral (arXiv 2310.06825): Llama with a sliding attention window, which later versions drop. */
export const mistral: Architecture = {
  name: 'mistral',
  modelType: 'mistral',
  className: 'MistralForCausalLM',
  rotaryStyle: 'half',

  config(read) {
    read.only('hidden_act', ['silu'], 'silu')
    const config = gatedConfig('mistral', read)
    // Missing means the first version's 4096, null means none.
    const window = read.value('sliding_window') === null ? null : read.number('sliding_window', 4096)
    return window === null ? config : { ...config, windows: new Array<number>(config.layers).fill(window) }
  },

  configJson: (c) => ({ ...gatedConfigJson(c), hidden_act: 'silu', sliding_window: c.windows?.[0] ?? null }),
  weights: (config) => gatedWeights(config),
  block: (pass, layer, x) => preNormBlock(pass, layer, x, swiglu)
}
