import { z } from 'zod'
import {
  blockDefaults,
  blockEdits,
  blockHyperparameters,
  blockPasses,
  checkBlocks,
  projections,
  STREAM,
  streamsOf
} from '../locate/block-edits'
import { leastChange, partOf, scaled } from '../locate/closed-form'
import { startedTemplates } from '../locate/contexts'
import { momentHyperparameters, momentOptions } from '../locate/hyperparameters'
import { LEARNT_BY, learn, learnsSomething, learnt } from '../locate/learnt'
import { anchored, anchorHyperparameters } from '../locate/norm-anchor'
import { secondMoments } from '../locate/second-moment'
import { defineMethod } from '../types'

export const memitHyperparameters = z.strictObject({
  ...blockHyperparameters,
  ...momentHyperparameters,
  ...anchorHyperparameters,
  mom2_update_weight: z
    .number()
    .positive()
    .default(15000)
    .describe('λ: what a change costs on keys of the corpus, against the facts (eq. 14)')
})

/** Mass-Editing Memory in a Transformer: many facts at once, spread over several MLPs (README.md). */
export const memit = defineMethod({
  name: 'memit',
  title: 'MEMIT',
  family: 'locate-then-edit',
  source: 'Meng et al. 2023, arXiv 2210.07229',
  holdsMany: true,
  hyperparameters: memitHyperparameters,
  defaults: blockDefaults,
  passesPerToken: (model, h) => blockPasses(model, h),
  check: (model, h) => checkBlocks(model, h),
  trainedBy: LEARNT_BY,
  learns: learnsSomething,
  train: (model, cases, h, context) => learn(model, cases, h, context),

  async prepare(model, h, context, artifact) {
    const found = learnt(model.config, h, artifact)
    const contexts = startedTemplates(model, h, context)
    const moments = secondMoments(model, projections(found.layers), momentOptions(model.config, h), context)
    return { contexts, moments, ...found }
  },

  search: STREAM,
  find: (model, requests, h, { contexts, layers }) => streamsOf(model, requests, { ...h, layers }, contexts),

  async *edit(model, groups, given, context, { contexts, moments, layers, anchor }) {
    const h = { ...given, layers }
    const { dim, ffDim } = model.config
    yield* blockEdits(model, groups, h, contexts, context, {
      name: 'memit',
      ...(anchor === undefined ? {} : { target: anchored(anchor) }),
      insert(layer, { keys, values }) {
        const C = moments[h.layers.indexOf(layer)]!
        const [site] = projections([layer])
        return partOf(site!, leastChange(scaled(C, h.mom2_update_weight), keys, values), dim, ffDim)
      }
    })
  }
})
