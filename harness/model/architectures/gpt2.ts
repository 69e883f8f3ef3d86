import { gelu } from '../../tensor'
import type { Architecture, WeightSource } from './types'

/** GPT-2 (Radford et al. 2019): learnt positions, pre-norm, attention then MLP; weights stored as Conv1D `[in, out]`. */
export const gpt2: Architecture = {
  name: 'gpt2',
  modelType: 'gpt2',
  className: 'GPT2LMHeadModel',
  rotaryStyle: 'interleaved',

  config(read) {
    read.only('activation_function', ['gelu_new', 'gelu_pytorch_tanh'], 'gelu_new')
    read.only('scale_attn_weights', [true], true)
    read.only('scale_attn_by_inverse_layer_idx', [false], false)
    const dim = read.count('n_embd')
    const heads = read.count('n_head')
    return {
      architecture: 'gpt2',
      layers: read.layers('n_layer'),
      dim,
      heads,
      kvHeads: heads,
      headDim: dim / heads,
      ffDim: read.count('n_inner', 4 * dim),
      vocab: read.count('vocab_size'),
      maxPositions: read.count('n_positions', 1024),
      normEps: read.number('layer_norm_epsilon', 1e-5),
      rotaryDim: 0,
      rotaryTheta: 0,
      tiedHead: read.boolean('tie_word_embeddings', true)
    }
  },

  configJson: (c) => ({
    n_layer: c.layers,
    n_embd: c.dim,
    n_head: c.heads,
    n_inner: c.ffDim,
    n_positions: c.maxPositions,
    n_ctx: c.maxPositions,
    vocab_size: c.vocab,
    layer_norm_epsilon: c.normEps,
    activation_function: 'gelu_new',
    tie_word_embeddings: c.tiedHead,
    attn_pdrop: 0,
    embd_pdrop: 0,
    resid_pdrop: 0
  }),

  weights({ layers, dim, ffDim, vocab, maxPositions, tiedHead }) {
    const weights: Record<string, WeightSource> = {
      'embed.weight': { hf: 'transformer.wte.weight', shape: [vocab, dim] },
      'positions.weight': { hf: 'transformer.wpe.weight', shape: [maxPositions, dim] }
    }
    for (let n = 0; n < layers; n++) {
      const ours = `layers.${n}`
      const theirs = `transformer.h.${n}`
      for (const [norm, hf] of [
        ['attn.norm', 'ln_1'],
        ['mlp.norm', 'ln_2']
      ]) {
        weights[`${ours}.${norm}.weight`] = { hf: `${theirs}.${hf}.weight`, shape: [dim] }
        weights[`${ours}.${norm}.bias`] = { hf: `${theirs}.${hf}.bias`, shape: [dim] }
      }
      const fused = { hf: `${theirs}.attn.c_attn`, of: 3 * dim }
      for (const [i, part] of ['q', 'k', 'v'].entries()) {
        const rows = { start: i * dim, of: fused.of }
        weights[`${ours}.attn.${part}.weight`] = { hf: `${fused.hf}.weight`, shape: [dim, dim], transposed: true, rows }
        weights[`${ours}.attn.${part}.bias`] = { hf: `${fused.hf}.bias`, shape: [dim], rows }
      }
      const linear = (name: string, hf: string, out: number, into: number) => {
        weights[`${ours}.${name}.weight`] = { hf: `${theirs}.${hf}.weight`, shape: [out, into], transposed: true }
        weights[`${ours}.${name}.bias`] = { hf: `${theirs}.${hf}.bias`, shape: [out] }
      }
      linear('attn.out', 'attn.c_proj', dim, dim)
      linear('mlp.fc', 'mlp.c_fc', ffDim, dim)
      linear('mlp.proj', 'mlp.c_proj', dim, ffDim)
    }
    weights['norm.weight'] = { hf: 'transformer.ln_f.weight', shape: [dim] }
    weights['norm.bias'] = { hf: 'transformer.ln_f.bias', shape: [dim] }
    if (!tiedHead) weights['head.weight'] = { hf: 'lm_head.weight', shape: [vocab, dim] }
    return weights
  },

  block(pass, layer, x) {
    const site = `layers.${layer}`
    const attended = pass.asked(layer, x).add(pass.attention(layer, pass.norm(`${site}.attn.norm`, x))) as typeof x
    const normed = pass.norm(`${site}.mlp.norm`, attended)
    const mlp = pass.site(`${site}.mlp`, normed, (h) =>
      pass.linear(`${site}.mlp.proj`, gelu(pass.linear(`${site}.mlp.fc`, h)))
    )
    return attended.add(mlp)
  }
}
