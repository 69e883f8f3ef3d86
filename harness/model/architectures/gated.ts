import type * as tf from '@tensorflow/tfjs-core'
import { UserError } from '../../errors'
import type { ModelConfig } from '../types'
import type { ConfigReader } from './config-reader'
import { ropeJson, ropeOf } from './rope'
import type { Pass, WeightSource } from './types'

/*
 * What the descendants of Llama share: RMS norms, rotary positions by halves, grouped-query attention, a gated MLP. Each of them is a
 * small file of its differences.
 */

/** What a family has where its config.json is silent. */
interface GatedDefaults {
  readonly heads?: number
  readonly kvHeads?: number
  readonly headDim?: number
  readonly vocab?: number
  readonly maxPositions?: number
  readonly tiedHead?: boolean
  /** The rotary part, where a family reads it in its own way. */
  readonly rope?: Pick<ModelConfig, 'rotaryTheta' | 'rotaryScaling'>
}

/** The keys of config.json that all of them have. */
export function gatedConfig(architecture: string, read: ConfigReader, defaults: GatedDefaults = {}): ModelConfig {
  const dim = read.count('hidden_size')
  const heads = read.count('num_attention_heads', defaults.heads)
  const headDim = read.count('head_dim', defaults.headDim ?? dim / heads)
  return {
    architecture,
    layers: read.layers('num_hidden_layers'),
    dim,
    heads,
    kvHeads: read.count('num_key_value_heads', defaults.kvHeads ?? heads),
    headDim,
    ffDim: read.count('intermediate_size'),
    vocab: read.count('vocab_size', defaults.vocab),
    maxPositions: read.count('max_position_embeddings', defaults.maxPositions ?? 2048),
    normEps: read.number('rms_norm_eps', 1e-6),
    rotaryDim: headDim,
    ...(defaults.rope ?? ropeOf(read).config),
    tiedHead: read.boolean('tie_word_embeddings', defaults.tiedHead ?? false)
  }
}

export const gatedConfigJson = (c: ModelConfig): Record<string, unknown> => ({
  num_hidden_layers: c.layers,
  hidden_size: c.dim,
  num_attention_heads: c.heads,
  num_key_value_heads: c.kvHeads,
  head_dim: c.headDim,
  intermediate_size: c.ffDim,
  max_position_embeddings: c.maxPositions,
  vocab_size: c.vocab,
  rms_norm_eps: c.normEps,
  rope_parameters: ropeJson(c.rotaryTheta, c.rotaryScaling),
  tie_word_embeddings: c.tiedHead
})

export interface GatedWeights {
  /** Norms of a block, ours and theirs. */
  readonly norms?: readonly (readonly [ours: string, theirs: string])[]
  /** Norms of every head's queries and keys. */
  readonly headNorms?: boolean
  /** Added to the gains of norms, which Gemma stores less one. */
  readonly plus?: number
}

export const PRE_NORMS = [
  ['attn.norm', 'input_layernorm'],
  ['mlp.norm', 'post_attention_layernorm']
] as const

export function gatedWeights(
  { layers, dim, heads, kvHeads, headDim, ffDim, vocab, tiedHead, biases }: ModelConfig,
  { norms = PRE_NORMS, headNorms = false, plus = 0 }: GatedWeights = {}
): Record<string, WeightSource> {
  const gain = (hf: string, width: number): WeightSource => ({ hf, shape: [width], ...(plus === 0 ? {} : { plus }) })
  const weights: Record<string, WeightSource> = {
    'embed.weight': { hf: 'model.embed_tokens.weight', shape: [vocab, dim] }
  }
  for (let n = 0; n < layers; n++) {
    const ours = `layers.${n}`
    const theirs = `model.layers.${n}`
    const linear = (name: string, hf: string, out: number, into: number, bias: boolean | undefined) => {
      weights[`${ours}.${name}.weight`] = { hf: `${theirs}.${hf}.weight`, shape: [out, into] }
      if (bias === true) weights[`${ours}.${name}.bias`] = { hf: `${theirs}.${hf}.bias`, shape: [out] }
    }
    for (const [norm, hf] of norms) weights[`${ours}.${norm}.weight`] = gain(`${theirs}.${hf}.weight`, dim)
    linear('attn.q', 'self_attn.q_proj', heads * headDim, dim, biases?.qkv)
    linear('attn.k', 'self_attn.k_proj', kvHeads * headDim, dim, biases?.qkv)
    linear('attn.v', 'self_attn.v_proj', kvHeads * headDim, dim, biases?.qkv)
    linear('attn.out', 'self_attn.o_proj', dim, heads * headDim, biases?.attnOut)
    if (headNorms) {
      for (const part of ['q', 'k'])
        weights[`${ours}.attn.${part}.norm.weight`] = gain(`${theirs}.self_attn.${part}_norm.weight`, headDim)
    }
    linear('mlp.gate', 'mlp.gate_proj', ffDim, dim, biases?.mlp)
    linear('mlp.fc', 'mlp.up_proj', ffDim, dim, biases?.mlp)
    linear('mlp.proj', 'mlp.down_proj', dim, ffDim, biases?.mlp)
  }
  weights['norm.weight'] = gain('model.norm.weight', dim)
  if (!tiedHead) weights['head.weight'] = { hf: 'lm_head.weight', shape: [vocab, dim] }
  return weights
}

/** The gated product of an MLP: `swiglu` of Llama, `geglu` of Gemma. */
type Gate = (gate: tf.Tensor3D, up: tf.Tensor3D) => tf.Tensor3D

/** The MLP, from its normed input. */
export function gatedMlp(pass: Pass, layer: number, x: tf.Tensor3D, gate: Gate): tf.Tensor3D {
  const site = `layers.${layer}.mlp`
  return pass.site(site, x, (h) =>
    pass.linear(`${site}.proj`, gate(pass.linear(`${site}.gate`, h), pass.linear(`${site}.fc`, h)))
  )
}

/** Attention, then the MLP, each on its normed input (Llama, Mistral, Qwen, Gemma 1). */
export function preNormBlock(pass: Pass, layer: number, x: tf.Tensor3D, gate: Gate): tf.Tensor3D {
  const site = `layers.${layer}`
  const mixed = pass.attention(layer, pass.norm(`${site}.attn.norm`, x))
  const attended = pass.asked(layer, x).add(mixed) as tf.Tensor3D
  return attended.add(gatedMlp(pass, layer, pass.norm(`${site}.mlp.norm`, attended), gate))
}

/** Attention, then the MLP, each normed before and after (Gemma 2 and 3). */
export function sandwichBlock(pass: Pass, layer: number, x: tf.Tensor3D, gate: Gate): tf.Tensor3D {
  const site = `layers.${layer}`
  const mixed = pass.attention(layer, pass.norm(`${site}.attn.norm`, x))
  const attended = pass.asked(layer, x).add(pass.norm(`${site}.attn.postnorm`, mixed)) as tf.Tensor3D
  const mlp = gatedMlp(pass, layer, pass.norm(`${site}.mlp.norm`, attended), gate)
  return attended.add(pass.norm(`${site}.mlp.postnorm`, mlp))
}

export const SANDWICH_NORMS = [
  ['attn.norm', 'input_layernorm'],
  ['attn.postnorm', 'post_attention_layernorm'],
  ['mlp.norm', 'pre_feedforward_layernorm'],
  ['mlp.postnorm', 'post_feedforward_layernorm']
] as const

const LAYER_TYPES: readonly unknown[] = ['full_attention', 'sliding_attention']

/** Windows by block: from `layer_types` of newer files, else by the family's own rule. */
export function windowsOf(read: ConfigReader, layers: number, window: number, slides: (layer: number) => boolean) {
  const types = read.value('layer_types') ?? Array.from({ length: layers }, (_, n) => LAYER_TYPES[Number(slides(n))])
  if (!Array.isArray(types) || types.length !== layers || !types.every((t) => LAYER_TYPES.includes(t))) {
    throw new UserError(`'layer_types' must be a list of ${layers} of ${LAYER_TYPES.join(', ')}`, { place: read.place })
  }
  return types.map((type) => (type === 'sliding_attention' ? window : null))
}

/** Blocks above some may have windows, and by default none do (Qwen 2 and 3). */
export function optionalWindows(read: ConfigReader, layers: number): Pick<ModelConfig, 'windows'> {
  const from = read.number('max_window_layers', 28)
  const window = read.number('sliding_window', 4096)
  const windows = windowsOf(read, layers, window, (n) => n >= from)
  const used = read.boolean('use_sliding_window', false) && read.has('sliding_window')
  return used ? { windows } : {}
}

export const layerTypes = (windows: readonly (number | null)[]): string[] =>
  windows.map((w) => (w === null ? 'full_attention' : 'sliding_attention'))
