import type * as tf from '@tensorflow/tfjs'
import { gelu } from '../../tensor'
import { ConfigReader } from './config-reader'
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
import { ropeJson, scalingOf } from './rope'
import type { Architecture } from './types'

/*
 * Gemma 1 to 3: embeddings scaled by √dim, gains of norms stored less one, gelu in the gated MLP, tied head. The second adds norms after
 * attention and MLP, soft caps and alternating windows; the third replaces the caps by norms of queries and keys.
 */

type Json = Readonly<Record<string, unknown>>

const geglu = (gate: tf.Tensor3D, up: tf.Tensor3D): tf.Tensor3D => gelu(gate).mul(up)
const GELU = ['gelu_pytorch_tanh', 'gelu_new']

function baseConfig(name: 'gemma' | 'gemma2' | 'gemma3', json: Json) {
  const read = new ConfigReader(json)
  // Gemma 1's first files say 'gelu' in hidden_act and mean the tanh form, which transformers takes whatever it says.
  read.only('hidden_activation', [...GELU, null], 'gelu_pytorch_tanh')
  read.only('attention_bias', [false], false)
  const config = gatedConfig(name, { head_dim: 256, max_position_embeddings: 8192, tie_word_embeddings: true, ...json })
  return { ...config, embedScale: Math.sqrt(config.dim) }
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
  config: (json) => baseConfig('gemma', json),
  configJson: baseJson,
  weights: (config) => gatedWeights(config, { plus: 1 }),
  block: (pass, layer, x) => preNormBlock(pass, layer, x, geglu)
}

/** Attention scores are scaled by the root of a number of its own. */
const scale = (json: Json, fallback: number) => new ConfigReader(json).number('query_pre_attn_scalar', fallback) ** -0.5

/** Gemma 2 (arXiv 2408.00118). */
export const gemma2: Architecture = {
  name: 'gemma2',
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  rotaryStyle: 'half',

  config(json) {
    const read = new ConfigReader(json)
    const config = baseConfig('gemma2', json)
    const cap = (key: string, fallback: number) => (json[key] === null ? undefined : read.number(key, fallback))
    const attention = cap('attn_logit_softcapping', 50)
    const logits = cap('final_logit_softcapping', 30)
    return {
      ...config,
      attentionScale: scale(json, 256),
      ...(attention === undefined ? {} : { attentionSoftcap: attention }),
      ...(logits === undefined ? {} : { logitSoftcap: logits }),
      windows: windowsOf(json, config.layers, read.number('sliding_window', 4096), (n) => n % 2 === 0)
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

  config(json) {
    const read = new ConfigReader(json)
    // Newer files keep the rotary parameters of the two kinds of blocks apart.
    const rope = (json.rope_parameters ?? {}) as Readonly<Record<string, Json | undefined>>
    const { full_attention: full, sliding_attention: local } = rope
    const theta = read.number('rope_theta', 1e6)
    const scaling = scalingOf(full ?? ((json.rope_scaling ?? {}) as Json), json)
    const { rope_parameters: _, rope_scaling: __, ...rest } = json
    const config = baseConfig('gemma3', { max_position_embeddings: 131072, ...rest })
    const every = read.number('sliding_window_pattern', 6)
    return {
      ...config,
      rotaryTheta: full === undefined ? theta : new ConfigReader(full).number('rope_theta', theta),
      ...(scaling === undefined ? {} : { rotaryScaling: scaling }),
      windowRotaryTheta: new ConfigReader(local ?? {}).number('rope_theta', read.number('rope_local_base_freq', 10000)),
      attentionScale: scale(json, 256),
      windows: windowsOf(json, config.layers, read.number('sliding_window', 4096), (n) => (n + 1) % every !== 0)
    }
  },

  configJson: (c) => ({
    ...baseJson(c),
    rope_parameters: {
      full_attention: ropeJson(c.rotaryTheta, c.rotaryScaling),
      sliding_attention: ropeJson(c.windowRotaryTheta!, undefined)
    },
    query_pre_attn_scalar: c.attentionScale! ** -2,
    sliding_window: c.windows!.find((w) => w !== null) ?? null,
    layer_types: layerTypes(c.windows!)
  }),
  weights: (config) => gatedWeights(config, { plus: 1, norms: SANDWICH_NORMS, headNorms: true }),
  block: (pass, layer, x) => sandwichBlock(pass, layer, x, geglu)
}
