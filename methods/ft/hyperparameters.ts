import { z } from 'zod'
import type { ModelConfig } from '../../harness/model/types'

/** Names as in the hparams files of kmeng01/rome and EasyEdit. */
export const ftHyperparameters = z.strictObject({
  layer: z.number().int().min(0).describe('Block whose W_proj (weight and bias) is trained'),
  lr: z.number().positive().default(5e-4).describe('Learning rate of Adam'),
  num_steps: z.number().int().min(1).default(25).describe('Most passes over the requests'),
  norm_constraint: z
    .union([z.number().positive(), z.literal(false)])
    .default(5e-4)
    .describe('Largest change of any single weight; false for none'),
  objective: z
    .enum(['prompt_last', 'target_new'])
    .default('prompt_last')
    .describe(
      "'prompt_last': every target token is predicted right after the prompt (FT-L); 'target_new': one after another (FT-M)"
    ),
  stop_loss: z.number().min(0).default(1e-2).describe('Training ends below this loss')
})

export type FtHyperparameters = z.output<typeof ftHyperparameters>

/**
 * Layer 0 and the boxes of kmeng01/rome, wider for smaller models; Llama's layer from EasyEdit; the embedded model's by
 * `npm run bench:sweep` (README.md).
 */
export function ftLDefaults(model: ModelConfig): Readonly<Partial<z.input<typeof ftHyperparameters>>> {
  switch (`${model.architecture} ${model.layers}x${model.dim}`) {
    case 'gptj 28x4096':
      return { layer: 0, norm_constraint: 5e-5 }
    case 'gpt2 24x1024':
      return { layer: 0, norm_constraint: 2e-3 }
    case 'gpt2 36x1280':
      return { layer: 0, norm_constraint: 1e-3 }
    case 'gptj 6x192':
      return { layer: 0, lr: 2e-3, norm_constraint: 5e-3 }
    case 'llama 32x4096':
      return { layer: 21 }
    default:
      return { layer: 0 }
  }
}
