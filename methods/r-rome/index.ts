import { rome } from '../rome'
import { romeHyperparameters } from '../rome/hyperparameters'
import { defineMethod } from '../types'

const { prepare, edit } = rome

/** ROME with one key everywhere, the mean over the contexts, which no update explodes with. */
export const rRome = defineMethod({
  ...rome,
  name: 'r-rome',
  title: 'r-ROME',
  source: 'Gupta et al. 2024, arXiv 2403.07175',
  hyperparameters: romeHyperparameters.omit({ key: true }),
  prepare: (model, h, context, artifact) => prepare!(model, { ...h, key: 'mean' }, context, artifact),
  async *edit(model, groups, h, context, prepared) {
    for await (const edits of edit(model, groups, { ...h, key: 'mean' }, context, prepared))
      yield edits.map((e) => ({ ...e, method: 'r-rome' }))
  }
})
