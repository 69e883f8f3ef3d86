import { fineTune } from '../fine-tuning/fine-tune'
import { checkLayers, fineTuningHyperparameters, passesPerToken } from '../fine-tuning/hyperparameters'
import { defineMethod } from '../types'

/** Fine-tuning of W_proj of the blocks that are asked, without a box: the baseline "FT" of Meng et al. 2022. */
export const ft = defineMethod({
  name: 'ft',
  title: 'FT',
  family: 'fine-tuning',
  source: 'Baseline of Meng et al. 2022, arXiv 2202.05262',
  holdsMany: true,
  hyperparameters: fineTuningHyperparameters('prompt_last', false),
  defaults: () => ({ layers: [0] }),
  check: checkLayers,
  passesPerToken,
  async *edit(model, groups, h) {
    for (const group of groups) yield [fineTune('ft', model, group, h)]
  }
})
