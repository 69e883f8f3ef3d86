import { z } from 'zod'
import type { ModelConfig } from '../../harness/model'
import { TRACED } from '../locate/traced'

/** Names as in the hparams files of kmeng01/rome, where it has them. */
export const romeHyperparameters = z.strictObject({
  layer: z
    .union([z.number().int().min(0), z.literal(TRACED)])
    .describe("Block whose W_proj is edited; 'traced': the one that causal tracing of facts of `train_on` suggests"),
  key: z
    .enum(['mean', 'original', 'prompt'])
    .default('mean')
    .describe(
      "Key of the update: 'mean' over the context templates everywhere (r-ROME), 'original' (mean for u, prompt for the rest), 'prompt' everywhere (p-ROME)"
    ),
  v_num_grad_steps: z.number().int().min(1).default(20).describe('Steps of the value optimisation'),
  v_lr: z.number().positive().default(0.5).describe('Learning rate of Adam for the value'),
  v_weight_decay: z.number().min(0).default(0.5).describe('Weight of the norm of the value change'),
  clamp_norm_factor: z
    .number()
    .positive()
    .default(4)
    .describe('Longest value change, in norms of the value before the edit'),
  kl_factor: z.number().min(0).default(0.0625).describe('Weight of the drift of what the model says about the subject'),
  stop_loss: z.number().min(0).default(0.05).describe('The optimisation ends below this loss'),
  mom2_adjustment: z
    .boolean()
    .default(true)
    .describe('Use the second moment of the keys; false takes it as the identity'),
  mom2_n_tokens: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Tokens the second moment averages over; 20 for every dimension of a key when missing'),
  mom2_ridge: z.number().min(0).default(0).describe("Added to the second moment's diagonal, as a share of its mean"),
  context_template_length_params: z
    .array(z.tuple([z.number().int().min(2), z.number().int().min(0)]))
    .default([
      [5, 10],
      [10, 10]
    ])
    .describe('Generated context templates: [length in tokens, how many]'),
  context_templates: z
    .array(z.string().refine((t) => t.split('{}').length === 2, "must hold '{}' once"))
    .min(1)
    .optional()
    .describe("Context templates to use instead of generated ones; the first should be '{}'")
})

export type RomeHyperparameters = z.output<typeof romeHyperparameters>

/** Where no file in configs/methods/rome knows the model: about as deep as in those it knows. */
export const romeDefaults = ({ layers }: ModelConfig) => ({ layer: Math.floor(layers / 5) })

/** A small multiple of the key's length suffices for the second moment (arXiv 2506.04226). */
const TOKENS_PER_DIMENSION = 20

export const secondMomentOptions = ({ ffDim }: ModelConfig, h: RomeHyperparameters) => ({
  tokens: h.mom2_n_tokens ?? TOKENS_PER_DIMENSION * ffDim,
  ridge: h.mom2_ridge,
  instead:
    "or set 'mom2_adjustment: false' as EasyEdit does, at a price: on gptj-mini's CounterFact accuracy falls from 100 to 35, locality from 97 to 70"
})

/** Forward and backward through the blocks above the edited one, for every context. */
export function passesPerToken(model: ModelConfig, h: RomeHyperparameters): number {
  const generated = h.context_template_length_params.reduce((sum, [, count]) => sum + count, 1)
  const above = h.layer === TRACED ? 1 : (model.layers - h.layer) / model.layers
  return (h.context_templates?.length ?? generated) * (1 + 2 * h.v_num_grad_steps * above)
}
