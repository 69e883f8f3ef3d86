import type * as tf from '@tensorflow/tfjs-core'
import { gelu } from '../../tensor'
import type { ModelConfig } from '../types'
import type { ConfigReader } from './config-reader'
import {
  gatedConfig,
  gatedConfigJson,
  gatedWeights,
  layerTypes,
  preNormBlock,
  SANDWICH_NORMS,
  sandwichBlock,
  windowsOf
} from './gated'
import { ropeJson, ropeOf, rotaryOf } from './rope'
import type { Architecture } from './types'

/*
 * Gemma 1 to 3: embeddings scaled by √dim, gains of norms stored less one, gelu in the gated MLP, tied head. The second adds norms after
 * attention and MLP, soft caps and alternating windows; the third replaces the caps by norms of queries and keys.
 */

const geglu = (gate: tf.Tensor3D, up: tf.Tensor3D): tf.Tensor3D => gelu(gate).mul(up)
const GELU = ['gelu_pytorch_tanh', 'gelu_new']

function baseConfig(
  name: 'gemma' | 'gemma2' | 'gemma3',
  read: ConfigReader,
  defaults: Parameters<typeof gatedConfig>[2] = {}
) {
  // Gemma 1's first files say 'gelu' in hidden_act and mean the tanh form, which transformers takes whatever it says.
  read.only('hidden_activation', GELU, 'gelu_pytorch_tanh')
  read.only('hidden_act', [...GELU, 'gelu'], 'gelu_pytorch_tanh')
  read.only('attention_bias', [false], false)
  const config = gatedConfig(name, read, { headDim: 256, maxPositions: 8192, tiedHead: true, ...defaults })
  return { ...config, embedScale: Math.sqrt(config.dim) }
}

/** A cap of attention scores or logits; null is none. */
const cap = (read: ConfigReader, key: string, fallback: number | undefined): number | undefined =>
  read.value(key) === null || (fallback === undefined && !read.has(key)) ? undefined : read.number(key, fallback)

/** The cap of the logits. */
function logitCap(read: ConfigReader, fallback: number | undefined): Pick<ModelConfig, 'logitSoftcap'> {
  const logits = cap(read, 'final_logit_softcapping', fallback)
  return logits === undefined ? {} : { logitSoftcap: logits }
}

const baseJson = (c: Parameters<Architecture['configJson']>[0]) => ({
  ...gatedConfigJson(c),
  hidden_act: 'gelu_pytorch_tanh',
  hidden_activation: 'gelu_pytorch_tanh'
})

/** Gemma (arXiv 2403.08295). */
export const gemma: Architecture = {
  name: 'gemma',
  modelType: 'gemma',
  className: 'GemmaForCausalLM',
  rotaryStyle: 'half',
  config: (read) => baseConfig('gemma', read),
  configJson: baseJson,
  weights: (config) => gatedWeights(config, { plus: 1 }),
  block: (pass, layer, x) => preNormBlock(pass, layer, x, geglu)
}

/** Attention scores are scaled by the root of a number of its own. */
const scale = (read: ConfigReader, fallback: number) => read.number('query_pre_attn_scalar', fallback) ** -0.5

/** Gemma 2 (arXiv 2408.00118). */
export const gemma2: Architecture = {
  name: 'gemma2',
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  rotaryStyle: 'half',
  mlpOutputNorm: 'mlp.postnorm',

  config(read) {
    const config = baseConfig('gemma2', read)
    const attention = cap(read, 'attn_logit_softcapping', 50)
    return {
      ...config,
      attentionScale: scale(read, 256),
      ...(attention === undefined ? {} : { attentionSoftcap: attention }),
      ...logitCap(read, 30),
      windows: windowsOf(read, config.layers, read.number('sliding_window', 4096), (n) => n % 2 === 0)
    }
  },

  configJson: (c) => ({
    ...baseJson(c),
    query_pre_attn_scalar: c.attentionScale! ** -2,
    attn_logit_softcapping: c.attentionSoftcap ?? null,
    final_logit_softcapping: c.logitSoftcap ?? null,
    sliding_window: c.windows!.find((w) => w !== null) ?? null,
    layer_types: layerTypes(c.windows!)
  }),
  weights: (config) => gatedWeights(config, { plus: 1, norms: SANDWICH_NORMS }),
  block: (pass, layer, x) => sandwichBlock(pass, layer, x, geglu)
}

/** Gemma 3 (arXiv 2503.19786), text only. */
export const gemma3: Architecture = {
  name: 'gemma3',
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  rotaryStyle: 'half',
  mlpOutputNorm: 'mlp.postnorm',

  config(read) {
    // Newer files keep the rotary parameters of the two kinds of blocks apart.
    const rope = read.part('rope_parameters')
    const [full, local] = [rope?.part('full_attention'), rope?.part('sliding_attention')]
    const theta = read.number('rope_theta', 1e6)
    const localTheta = read.number('rope_local_base_freq', 10000)
    const windowed = local === undefined ? { rotaryTheta: localTheta } : rotaryOf(local, read, localTheta)
    const config = baseConfig('gemma3', read, {
      heads: 8,
      kvHeads: 4,
      vocab: 262208,
      maxPositions: 131072,
      rope: full === undefined ? ropeOf(read, theta).config : rotaryOf(full, read, theta)
    })
    // Written by some, and ignored by transformers.
    read.only('attn_logit_softcapping', [null], null)
    const every = read.count('_sliding_window_pattern', read.count('sliding_window_pattern', 6))
    return {
      ...config,
      windowRotaryTheta: windowed.rotaryTheta,
      ...(windowed.rotaryScaling === undefined ? {} : { windowRotaryScaling: windowed.rotaryScaling }),
      attentionScale: scale(read, 256),
      ...logitCap(read, undefined),
      windows: windowsOf(read, config.layers, read.number('sliding_window', 4096), (n) => (n + 1) % every !== 0)
    }
  },

  configJson: (c) => ({
    ...baseJson(c),
    rope_parameters: {
      full_attention: ropeJson(c.rotaryTheta, c.rotaryScaling),
      sliding_attention: ropeJson(c.windowRotaryTheta!, c.windowRotaryScaling)
    },
    final_logit_softcapping: c.logitSoftcap ?? null,
    query_pre_attn_scalar: c.attentionScale! ** -2,
    sliding_window: c.windows!.find((w) => w !== null) ?? null,
    layer_types: layerTypes(c.windows!)
  }),
  weights: (config) => gatedWeights(config, { plus: 1, norms: SANDWICH_NORMS, headNorms: true }),
  block: (pass, layer, x) => sandwichBlock(pass, layer, x, geglu)
}
