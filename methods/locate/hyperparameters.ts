import { z } from 'zod'
import type { ModelConfig } from '../../harness/model'

/*
 * Hyper-parameters that the locate-then-edit methods share, under the names of the hparams files of kmeng01/rome and kmeng01/memit.
 */

/** Of the search for a value. @param clamp the default of its longest change, in norms of `before` */
export const valueHyperparameters = (clamp: number, before: string) => ({
  v_num_grad_steps: z.number().int().min(1).default(20).describe('Steps of the value optimisation'),
  v_lr: z.number().positive().default(0.5).describe('Learning rate of Adam for the value'),
  v_weight_decay: z.number().min(0).default(0.5).describe('Weight of the norm of the value change'),
  clamp_norm_factor: z.number().positive().default(clamp).describe(`Longest value change, in norms of ${before}`),
  kl_factor: z.number().min(0).default(0.0625).describe('Weight of the drift of what the model says about the subject'),
  stop_loss: z.number().min(0).default(0.05).describe('The optimisation ends below this loss')
})

/** Texts that facts are asked after. @param instead what they are given instead of */
export const contextTemplates = (instead: string) =>
  z
    .array(z.string().refine((t) => t.split('{}').length === 2, "must hold '{}' once"))
    .min(1)
    .optional()
    .describe(`Context templates to use instead of ${instead}; the first should be '{}'`)

/** Of keys' second moments. */
export const momentHyperparameters = {
  mom2_n_tokens: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Tokens the second moment averages over; 20 for every dimension of a key when missing'),
  mom2_ridge: z.number().min(0).default(0).describe("Added to the second moment's diagonal, as a share of its mean")
}

/** A small multiple of the key's length suffices for the second moment (arXiv 2506.04226). */
export const momentTokens = ({ ffDim }: Pick<ModelConfig, 'ffDim'>): number => 20 * ffDim

export const momentOptions = (model: ModelConfig, h: z.output<z.ZodObject<typeof momentHyperparameters>>) => ({
  tokens: h.mom2_n_tokens ?? momentTokens(model),
  ridge: h.mom2_ridge
})
