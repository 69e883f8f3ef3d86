import { z } from 'zod'
import type { ModelConfig } from '../../harness/model'
import { checkLayer } from '../layer'

export type FineTuningObjective = 'prompt_last' | 'target_new'

/** Names as in the hparams files of kmeng01/rome and EasyEdit. */
export const fineTuningHyperparameters = (objective: FineTuningObjective, box: number | false) =>
  z.strictObject({
    layers: z.array(z.int().min(0)).min(1).describe('Blocks whose W_proj (weight and bias) is trained'),
    lr: z.number().positive().default(5e-4).describe('Learning rate of Adam'),
    num_steps: z.int().min(1).default(25).describe('Most passes over the requests'),
    batch_size: z.int().min(1).default(64).describe('Requests of one step'),
    norm_constraint: z
      .union([z.number().positive(), z.literal(false)])
      .default(box)
      .describe('Largest change of any single weight; false for none'),
    objective: z
      .enum(['prompt_last', 'target_new'])
      .default(objective)
      .describe(
        "'prompt_last': every target token is predicted right after the prompt; 'target_new': one after another"
      ),
    stop_loss: z.number().min(0).default(1e-2).describe('Training ends below this loss')
  })

export type FineTuningHyperparameters = z.output<ReturnType<typeof fineTuningHyperparameters>>

export function checkLayers(model: ModelConfig, { layers }: FineTuningHyperparameters): void {
  for (const layer of layers) checkLayer(model, layer, 'layers')
}

/** Every block from the lowest trained one on, forward and backward. */
export const passesPerToken = (model: ModelConfig, { layers, num_steps }: FineTuningHyperparameters): number =>
  3 * num_steps * (1 - Math.min(...layers) / model.layers)
