import { gelu } from '../../tensor'
import type { Architecture, WeightSource } from './types'

/** GPT-J (Wang & Komatsuzaki 2021): rotary positions, attention and MLP in parallel on one layer norm. */
export const gptj: Architecture = {
  name: 'gptj',
  modelType: 'gptj',
  className: 'GPTJForCausalLM',
  rotaryStyle: 'interleaved',
  parallel: () => true,

  config(read) {
    read.only('rotary', [true], true)
    read.only('scale_attn_weights', [true], true)
    read.only('activation_function', ['gelu_new', 'gelu_pytorch_tanh'], 'gelu_new')
    const dim = read.count('n_embd')
    const heads = read.count('n_head')
    return {
      architecture: 'gptj',
      layers: read.layers('n_layer'),
      dim,
      heads,
      kvHeads: heads,
      headDim: dim / heads,
      ffDim: read.count('n_inner', 4 * dim),
      vocab: read.count('vocab_size'),
      maxPositions: read.count('n_positions', 2048),
      normEps: read.number('layer_norm_epsilon', 1e-5),
      rotaryDim: read.number('rotary_dim', dim / heads),
      rotaryTheta: 10000,
      tiedHead: read.boolean('tie_word_embeddings', false)
    }
  },

  configJson: (c) => ({
    n_layer: c.layers,
    n_embd: c.dim,
    n_head: c.heads,
    n_inner: c.ffDim,
    n_positions: c.maxPositions,
    rotary_dim: c.rotaryDim,
    vocab_size: c.vocab,
    layer_norm_epsilon: c.normEps,
    activation_function: 'gelu_new',
    tie_word_embeddings: c.tiedHead,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0
  }),

  weights({ layers, dim, ffDim, vocab, tiedHead }) {
    const weights: Record<string, WeightSource> = {
      'embed.weight': { hf: 'transformer.wte.weight', shape: [vocab, dim] }
    }
    for (let n = 0; n < layers; n++) {
      const ours = `layers.${n}`
      const theirs = `transformer.h.${n}`
      weights[`${ours}.norm.weight`] = { hf: `${theirs}.ln_1.weight`, shape: [dim] }
      weights[`${ours}.norm.bias`] = { hf: `${theirs}.ln_1.bias`, shape: [dim] }
      for (const part of ['q', 'k', 'v', 'out']) {
        weights[`${ours}.attn.${part}.weight`] = { hf: `${theirs}.attn.${part}_proj.weight`, shape: [dim, dim] }
      }
      weights[`${ours}.mlp.fc.weight`] = { hf: `${theirs}.mlp.fc_in.weight`, shape: [ffDim, dim] }
      weights[`${ours}.mlp.fc.bias`] = { hf: `${theirs}.mlp.fc_in.bias`, shape: [ffDim] }
      weights[`${ours}.mlp.proj.weight`] = { hf: `${theirs}.mlp.fc_out.weight`, shape: [dim, ffDim] }
      weights[`${ours}.mlp.proj.bias`] = { hf: `${theirs}.mlp.fc_out.bias`, shape: [dim] }
    }
    weights['norm.weight'] = { hf: 'transformer.ln_f.weight', shape: [dim] }
    weights['norm.bias'] = { hf: 'transformer.ln_f.bias', shape: [dim] }
    if (!tiedHead) weights['head.weight'] = { hf: 'lm_head.weight', shape: [vocab, dim] }
    weights['head.bias'] = { hf: 'lm_head.bias', shape: [vocab], optional: true }
    return weights
  },

  block(pass, layer, x) {
    const site = `layers.${layer}`
    const normed = pass.norm(`${site}.norm`, x)
    const attended = pass.attention(layer, normed)
    const mlp = pass.site(`${site}.mlp`, pass.asked(layer, normed), (h) =>
      pass.linear(`${site}.mlp.proj`, gelu(pass.linear(`${site}.mlp.fc`, h)))
    )
    return pass.asked(layer, x).add(attended).add(mlp)
  }
}
