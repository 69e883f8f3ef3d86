import { swiglu } from '../../tensor'
import { ConfigReader } from './config-reader'
import type { Architecture, WeightSource } from './types'

/** Llama (Touvron et al. 2023): RMS norm, rotary positions, grouped-query attention, gated MLP, no biases. */
export const llama: Architecture = {
  name: 'llama',
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  rotaryStyle: 'half',

  config(json) {
    const read = new ConfigReader(json)
    read.only('hidden_act', ['silu'], 'silu')
    read.only('attention_bias', [false], false)
    read.only('mlp_bias', [false], false)
    const dim = read.number('hidden_size')
    const heads = read.number('num_attention_heads')
    const rope = (json.rope_parameters ?? json.rope_scaling ?? {}) as Readonly<Record<string, unknown>>
    new ConfigReader(rope).only('rope_type', ['default'], 'default')
    return {
      architecture: 'llama',
      layers: read.number('num_hidden_layers'),
      dim,
      heads,
      kvHeads: read.number('num_key_value_heads', heads),
      headDim: read.number('head_dim', dim / heads),
      ffDim: read.number('intermediate_size'),
      vocab: read.number('vocab_size'),
      maxPositions: read.number('max_position_embeddings', 2048),
      normEps: read.number('rms_norm_eps', 1e-6),
      rotaryDim: read.number('head_dim', dim / heads),
      // Older files have rope_theta at the top, newer ones inside rope_parameters.
      rotaryTheta: read.number('rope_theta', new ConfigReader(rope).number('rope_theta', 10000)),
      tiedHead: read.boolean('tie_word_embeddings', false)
    }
  },

  configJson: (c) => ({
    num_hidden_layers: c.layers,
    hidden_size: c.dim,
    num_attention_heads: c.heads,
    num_key_value_heads: c.kvHeads,
    head_dim: c.headDim,
    intermediate_size: c.ffDim,
    max_position_embeddings: c.maxPositions,
    vocab_size: c.vocab,
    rms_norm_eps: c.normEps,
    rope_theta: c.rotaryTheta,
    hidden_act: 'silu',
    tie_word_embeddings: c.tiedHead
  }),

  weights({ layers, dim, heads, kvHeads, headDim, ffDim, vocab, tiedHead }) {
    const weights: Record<string, WeightSource> = {
      'embed.weight': { hf: 'model.embed_tokens.weight', shape: [vocab, dim] }
    }
    for (let n = 0; n < layers; n++) {
      const ours = `layers.${n}`
      const theirs = `model.layers.${n}`
      const linear = (name: string, hf: string, out: number, into: number) => {
        weights[`${ours}.${name}.weight`] = { hf: `${theirs}.${hf}.weight`, shape: [out, into] }
      }
      weights[`${ours}.attn.norm.weight`] = { hf: `${theirs}.input_layernorm.weight`, shape: [dim] }
      weights[`${ours}.mlp.norm.weight`] = { hf: `${theirs}.post_attention_layernorm.weight`, shape: [dim] }
      linear('attn.q', 'self_attn.q_proj', heads * headDim, dim)
      linear('attn.k', 'self_attn.k_proj', kvHeads * headDim, dim)
      linear('attn.v', 'self_attn.v_proj', kvHeads * headDim, dim)
      linear('attn.out', 'self_attn.o_proj', dim, heads * headDim)
      linear('mlp.gate', 'mlp.gate_proj', ffDim, dim)
      linear('mlp.fc', 'mlp.up_proj', ffDim, dim)
      linear('mlp.proj', 'mlp.down_proj', dim, ffDim)
    }
    weights['norm.weight'] = { hf: 'model.norm.weight', shape: [dim] }
    if (!tiedHead) weights['head.weight'] = { hf: 'lm_head.weight', shape: [vocab, dim] }
    return weights
  },

  block(pass, layer, x) {
    const site = `layers.${layer}`
    const attended = x.add(pass.attention(layer, pass.norm(`${site}.attn.norm`, x))) as typeof x
    const normed = pass.norm(`${site}.mlp.norm`, attended)
    const key = swiglu(pass.linear(`${site}.mlp.gate`, normed), pass.linear(`${site}.mlp.fc`, normed))
    return attended.add(pass.linear(`${site}.mlp.proj`, key))
  }
}
