import type * as tf from '@tensorflow/tfjs-core'
import { gelu, geluErf } from '../../tensor'
import { ropeJson, ropeOf } from './rope'
import type { Architecture, WeightSource } from './types'

/** GPT-NeoX and Pythia (arXiv 2204.06745, 2304.01373): rotary positions on part of each head, two layer norms, attention and MLP in parallel. */
export const gptNeoX: Architecture = {
  name: 'gpt-neox',
  modelType: 'gpt_neox',
  className: 'GPTNeoXForCausalLM',
  rotaryStyle: 'half',
  parallel: ({ parallel }) => parallel === true,

  config(read) {
    read.only('hidden_act', ['gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'], 'gelu')
    read.only('attention_bias', [true], true)
    const dim = read.count('hidden_size')
    const heads = read.count('num_attention_heads')
    const headDim = dim / heads
    const rope = ropeOf(read, read.number('rotary_emb_base', 10000))
    const share = read.number('rotary_pct', rope.share ?? 0.25)
    return {
      architecture: 'gpt-neox',
      layers: read.layers('num_hidden_layers'),
      dim,
      heads,
      kvHeads: heads,
      headDim,
      ffDim: read.count('intermediate_size', 4 * dim),
      vocab: read.count('vocab_size'),
      maxPositions: read.count('max_position_embeddings', 2048),
      normEps: read.number('layer_norm_eps', 1e-5),
      rotaryDim: Math.floor(headDim * share),
      ...rope.config,
      tiedHead: read.boolean('tie_word_embeddings', false),
      parallel: read.boolean('use_parallel_residual', true),
      activation: (read.value('hidden_act') ?? 'gelu') === 'gelu' ? 'gelu-erf' : 'gelu'
    }
  },

  configJson: (c) => ({
    num_hidden_layers: c.layers,
    hidden_size: c.dim,
    num_attention_heads: c.heads,
    intermediate_size: c.ffDim,
    vocab_size: c.vocab,
    max_position_embeddings: c.maxPositions,
    layer_norm_eps: c.normEps,
    rotary_pct: c.rotaryDim / c.headDim,
    rotary_emb_base: c.rotaryTheta,
    rope_parameters: {
      ...ropeJson(c.rotaryTheta, c.rotaryScaling),
      partial_rotary_factor: c.rotaryDim / c.headDim
    },
    hidden_act: c.activation === 'gelu-erf' ? 'gelu' : 'gelu_new',
    use_parallel_residual: c.parallel,
    tie_word_embeddings: c.tiedHead,
    attention_dropout: 0,
    hidden_dropout: 0
  }),

  weights({ layers, dim, headDim, ffDim, vocab, tiedHead }) {
    const weights: Record<string, WeightSource> = {
      'embed.weight': { hf: 'gpt_neox.embed_in.weight', shape: [vocab, dim] }
    }
    for (let n = 0; n < layers; n++) {
      const ours = `layers.${n}`
      const theirs = `gpt_neox.layers.${n}`
      const both = (name: string, hf: string, shape: readonly number[]) => {
        weights[`${ours}.${name}.weight`] = { hf: `${theirs}.${hf}.weight`, shape }
        weights[`${ours}.${name}.bias`] = { hf: `${theirs}.${hf}.bias`, shape: shape.slice(0, 1) }
      }
      both('attn.norm', 'input_layernorm', [dim])
      both('mlp.norm', 'post_attention_layernorm', [dim])
      // The fused tensor holds q, k and v of one head after another.
      for (const [i, part] of ['q', 'k', 'v'].entries()) {
        const rows = { start: i * headDim, of: 3 * dim, chunk: headDim, every: 3 * headDim }
        const hf = `${theirs}.attention.query_key_value`
        weights[`${ours}.attn.${part}.weight`] = { hf: `${hf}.weight`, shape: [dim, dim], rows }
        weights[`${ours}.attn.${part}.bias`] = { hf: `${hf}.bias`, shape: [dim], rows }
      }
      both('attn.out', 'attention.dense', [dim, dim])
      both('mlp.fc', 'mlp.dense_h_to_4h', [ffDim, dim])
      both('mlp.proj', 'mlp.dense_4h_to_h', [dim, ffDim])
    }
    weights['norm.weight'] = { hf: 'gpt_neox.final_layer_norm.weight', shape: [dim] }
    weights['norm.bias'] = { hf: 'gpt_neox.final_layer_norm.bias', shape: [dim] }
    if (!tiedHead) weights['head.weight'] = { hf: 'embed_out.weight', shape: [vocab, dim] }
    return weights
  },

  block(pass, layer, x) {
    const site = `layers.${layer}`
    const { activation } = pass.config
    const act = activation === 'gelu-erf' ? geluErf : gelu
    const mlp = (input: tf.Tensor3D) =>
      pass.site(`${site}.mlp`, pass.norm(`${site}.mlp.norm`, input), (h) =>
        pass.linear(`${site}.mlp.proj`, act(pass.linear(`${site}.mlp.fc`, h)))
      )
    const asked = pass.asked(layer, x)
    const attended = asked.add(pass.attention(layer, pass.norm(`${site}.attn.norm`, x))) as tf.Tensor3D
    return attended.add(mlp(gptNeoX.parallel!(pass.config) ? asked : attended))
  }
}
