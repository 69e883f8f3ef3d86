import * as tf from '@tensorflow/tfjs-core'
import { geluErf } from '../../tensor'
import type { Architecture, WeightSource } from './types'

/** OPT (arXiv 2205.01068): learnt positions that start at row 2, pre-norm, ReLU. */
export const opt: Architecture = {
  name: 'opt',
  modelType: 'opt',
  className: 'OPTForCausalLM',
  rotaryStyle: 'interleaved',

  config(read) {
    read.only('enable_bias', [true], true)
    read.only('activation_function', ['relu', 'gelu'], 'relu')
    // OPT-350m alone norms after the blocks and has narrower embeddings.
    read.only('do_layer_norm_before', [true], true)
    read.only('_remove_final_layer_norm', [false], false)
    const dim = read.count('hidden_size')
    read.only('word_embed_proj_dim', [dim], dim)
    const heads = read.count('num_attention_heads')
    return {
      architecture: 'opt',
      layers: read.layers('num_hidden_layers'),
      dim,
      heads,
      kvHeads: heads,
      headDim: dim / heads,
      ffDim: read.count('ffn_dim'),
      vocab: read.count('vocab_size'),
      maxPositions: read.count('max_position_embeddings', 2048),
      normEps: 1e-5,
      rotaryDim: 0,
      rotaryTheta: 0,
      tiedHead: read.boolean('tie_word_embeddings', true),
      positionOffset: 2,
      biases: { qkv: true, attnOut: true, mlp: true },
      activation: read.value('activation_function') === 'gelu' ? 'gelu-erf' : 'relu'
    }
  },

  configJson: (c) => ({
    num_hidden_layers: c.layers,
    hidden_size: c.dim,
    word_embed_proj_dim: c.dim,
    num_attention_heads: c.heads,
    ffn_dim: c.ffDim,
    vocab_size: c.vocab,
    max_position_embeddings: c.maxPositions,
    do_layer_norm_before: true,
    enable_bias: true,
    activation_function: c.activation === 'relu' ? 'relu' : 'gelu',
    tie_word_embeddings: c.tiedHead,
    dropout: 0,
    attention_dropout: 0
  }),

  weights({ layers, dim, ffDim, vocab, maxPositions, positionOffset = 0, tiedHead }) {
    const decoder = 'model.decoder'
    const weights: Record<string, WeightSource> = {
      'embed.weight': { hf: `${decoder}.embed_tokens.weight`, shape: [vocab, dim] },
      'positions.weight': { hf: `${decoder}.embed_positions.weight`, shape: [maxPositions + positionOffset, dim] }
    }
    const both = (name: string, hf: string, shape: readonly number[]) => {
      weights[`${name}.weight`] = { hf: `${decoder}.${hf}.weight`, shape }
      weights[`${name}.bias`] = { hf: `${decoder}.${hf}.bias`, shape: shape.slice(0, 1) }
    }
    for (let n = 0; n < layers; n++) {
      const ours = `layers.${n}`
      const theirs = `layers.${n}`
      both(`${ours}.attn.norm`, `${theirs}.self_attn_layer_norm`, [dim])
      both(`${ours}.mlp.norm`, `${theirs}.final_layer_norm`, [dim])
      for (const part of ['q', 'k', 'v', 'out'])
        both(`${ours}.attn.${part}`, `${theirs}.self_attn.${part}_proj`, [dim, dim])
      both(`${ours}.mlp.fc`, `${theirs}.fc1`, [ffDim, dim])
      both(`${ours}.mlp.proj`, `${theirs}.fc2`, [dim, ffDim])
    }
    both('norm', 'final_layer_norm', [dim])
    if (!tiedHead) weights['head.weight'] = { hf: 'lm_head.weight', shape: [vocab, dim] }
    return weights
  },

  block(pass, layer, x) {
    const site = `layers.${layer}`
    const act = pass.config.activation === 'relu' ? (t: tf.Tensor3D) => tf.relu(t) : geluErf<tf.Tensor3D>
    const attended = pass.asked(layer, x).add(pass.attention(layer, pass.norm(`${site}.attn.norm`, x))) as tf.Tensor3D
    const normed = pass.norm(`${site}.mlp.norm`, attended)
    const mlp = pass.site(`${site}.mlp`, normed, (h) =>
      pass.linear(`${site}.mlp.proj`, act(pass.linear(`${site}.mlp.fc`, h)))
    )
    return attended.add(mlp)
  }
}
