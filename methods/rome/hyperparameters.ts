import { z } from 'zod'
import type { ModelConfig } from '../../harness/model'
import { contextTemplates, momentHyperparameters, momentOptions, valueHyperparameters } from '../locate/hyperparameters'
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
  ...valueHyperparameters(4, 'the value before the edit'),
  mom2_adjustment: z
    .boolean()
    .default(true)
    .describe('Use the second moment of the keys; false takes it as the identity'),
  ...momentHyperparameters,
  context_template_length_params: z
    .array(z.tuple([z.number().int().min(2), z.number().int().min(0)]))
    .default([
      [5, 10],
      [10, 10]
    ])
    .describe('Generated context templates: [length in tokens, how many]'),
  context_templates: contextTemplates('generated ones')
})

export type RomeHyperparameters = z.output<typeof romeHyperparameters>

/** Where no file in configs/methods/rome knows the model: about as deep as in those it knows. */
export const romeDefaults = ({ layers }: ModelConfig) => ({ layer: Math.floor(layers / 5) })

export const secondMomentOptions = (model: ModelConfig, h: RomeHyperparameters) => ({
  ...momentOptions(model, h),
  instead:
    "or set 'mom2_adjustment: false' as EasyEdit does, at a price: on gptj-mini's CounterFact accuracy falls from 100 to 58, locality from 96 to 55"
})

/** Forward and backward through the blocks above the edited one, for every context. */
export function passesPerToken(model: ModelConfig, h: RomeHyperparameters): number {
  const generated = h.context_template_length_params.reduce((sum, [, count]) => sum + count, 1)
  const above = h.layer === TRACED ? 1 : (model.layers - h.layer) / model.layers
  return (h.context_templates?.length ?? generated) * (1 + 2 * h.v_num_grad_steps * above)
}
