import { fineTune } from '../fine-tuning/fine-tune'
import { checkLayers, fineTuningHyperparameters, passesPerToken } from '../fine-tuning/hyperparameters'
import { defineMethod } from '../types'

/** Fine-tuning of W_proj on the target, token after token: EasyEdit's FT-M. */
export const ftM = defineMethod({
  name: 'ft-m',
  title: 'FT-M',
  family: 'fine-tuning',
  source: 'Zhang et al. 2024, arXiv 2401.01286 (EasyEdit)',
  holdsMany: true,
  hyperparameters: fineTuningHyperparameters('target_new', false),
  defaults: () => ({ layers: [0] }),
  check: checkLayers,
  passesPerToken,
  async *edit(model, groups, h) {
    for (const group of groups) yield [fineTune('ft-m', model, group, h)]
  }
})
