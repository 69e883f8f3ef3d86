import { fineTune } from '../fine-tuning/fine-tune'
import { checkLayers, fineTuningHyperparameters, passesPerToken } from '../fine-tuning/hyperparameters'
import { defineMethod } from '../types'

/** Fine-tuning of W_proj inside a box around its weights: the baseline "FT+L" of Meng et al. 2022. */
export const ftL = defineMethod({
  name: 'ft-l',
  title: 'FT-L',
  family: 'fine-tuning',
  source: 'Zhu et al. 2020, arXiv 2012.00363; as a baseline in Meng et al. 2022, arXiv 2202.05262',
  holdsMany: true,
  hyperparameters: fineTuningHyperparameters('prompt_last', 5e-4),
  defaults: () => ({ layers: [0] }),
  check: checkLayers,
  passesPerToken,
  async *edit(model, groups, h) {
    for (const group of groups) yield [fineTune('ft-l', model, group, h)]
  }
})
