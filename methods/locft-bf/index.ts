import { randomStream } from '../../harness/random'
import { fineTune } from '../fine-tuning/fine-tune'
import { checkLayers, fineTuningHyperparameters, passesPerToken } from '../fine-tuning/hyperparameters'
import { defineMethod } from '../types'

const { shape } = fineTuningHyperparameters('target_new', false)

/**
 * Fine-tuning done as fine-tuning is done: epochs over all facts in shuffled batches, with the end of the text after every target, at one well chosen place
 * (README.md).
 */
export const locftBf = defineMethod({
  name: 'locft-bf',
  title: 'LocFT-BF',
  family: 'fine-tuning',
  source: 'Yang et al. 2026, arXiv 2509.22072',
  holdsMany: true,
  hyperparameters: fineTuningHyperparameters('target_new', false)
    .omit({ objective: true, norm_constraint: true })
    .extend({ batch_size: shape.batch_size.unwrap().default(100).describe('Requests of one step') }),
  defaults: ({ layers }) => ({ layers: [Math.round(layers * 0.7)] }),
  check: (model, h) => checkLayers(model, { ...h, objective: 'target_new', norm_constraint: false }),
  passesPerToken: (model, h) => passesPerToken(model, { ...h, objective: 'target_new', norm_constraint: false }),
  async *edit(model, groups, h, { seed }) {
    for (const group of groups) {
      const random = randomStream(seed, 'locft-bf')
      yield [
        fineTune(
          'locft-bf',
          model,
          group,
          { ...h, objective: 'target_new', norm_constraint: false },
          { ends: true, random }
        )
      ]
    }
  }
})
