import { z } from 'zod'
import { dot } from '../../harness/tensor/linalg'
import {
  blockEdits,
  blockHyperparameters,
  blockPasses,
  checkBlocks,
  projections,
  STREAM,
  streamsOf
} from '../locate/block-edits'
import { leastChange, partOf, product, scaled } from '../locate/closed-form'
import { startedTemplates } from '../locate/contexts'
import { momentHyperparameters, momentOptions } from '../locate/hyperparameters'
import { LEARNT_BY, learn, learnsSomething, learnt } from '../locate/learnt'
import { secondMoments } from '../locate/second-moment'
import { defineMethod } from '../types'

export const emmetHyperparameters = z.strictObject({
  ...blockHyperparameters,
  ...momentHyperparameters,
  mom2_update_weight: z.number().positive().default(1).describe('w: factor of the second moment'),
  emmet_lambda: z.number().positive().default(0.1).describe('Ridge on what several facts demand together')
})

/**
 * EMMET: MEMIT's targets with ROME's equality. One fact is written exactly; several with a ridge, which is MEMIT's update with λ = emmet_lambda · w by the
 * push-through identity (README.md).
 */
export const emmet = defineMethod({
  name: 'emmet',
  title: 'EMMET',
  family: 'locate-then-edit',
  source: 'Gupta et al. 2024, arXiv 2403.14236',
  holdsMany: true,
  hyperparameters: emmetHyperparameters,
  defaults: ({ layers }) => ({ layers: [Math.max(0, Math.floor(layers / 5))] }),
  passesPerToken: (model, h) => blockPasses(model, h),
  check: (model, h) => checkBlocks(model, h),
  trainedBy: LEARNT_BY,
  learns: learnsSomething,
  train: (model, cases, h, context) => learn(model, cases, h, context, 1),

  async prepare(model, h, context, artifact) {
    const { layers } = learnt(model.config, h, artifact, 1)
    const contexts = startedTemplates(model, h, context)
    const moments = secondMoments(model, projections(layers), momentOptions(model.config, h), context)
    return { contexts, moments, layers }
  },

  search: STREAM,
  find: (model, requests, h, { contexts, layers }) => streamsOf(model, requests, { ...h, layers }, contexts),

  async *edit(model, groups, given, context, { contexts, moments, layers }) {
    const h = { ...given, layers }
    const { dim, ffDim } = model.config
    yield* blockEdits(model, groups, h, contexts, context, {
      name: 'emmet',
      insert(layer, { keys, values }) {
        const C = moments[h.layers.indexOf(layer)]!
        const [site] = projections([layer])
        if (keys.length > 1)
          return partOf(site!, leastChange(scaled(C, h.emmet_lambda * h.mom2_update_weight), keys, values), dim, ffDim)
        const solved = C.factor.solve(keys[0]!)
        const reach = dot(keys[0]!, solved)
        return partOf(site!, product(values, [solved.map((x) => x / reach)]), dim, ffDim)
      }
    })
  }
})
