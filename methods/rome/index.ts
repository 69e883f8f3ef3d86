import { checkLayer } from '../layer'
import { contextTemplates } from '../locate/contexts'
import { factOf, locate, together } from '../locate/facts'
import { secondMoment } from '../locate/second-moment'
import { TRACED, tracedLayer, traceLayer } from '../locate/traced'
import { optimiseValues, valueFlops } from '../locate/value'
import { defineMethod } from '../types'
import { passesPerToken, romeDefaults, romeHyperparameters, secondMomentOptions } from './hyperparameters'
import { insert } from './insert'

/** Rank-One Model Editing: writes one new pair (k*, v*) into the linear memory W_proj of one MLP (README.md). */
export const rome = defineMethod({
  name: 'rome',
  title: 'ROME',
  family: 'locate-then-edit',
  source: 'Meng et al. 2022, arXiv 2202.05262; key of r-ROME: Gupta et al. 2024, arXiv 2403.07175',
  holdsMany: false,
  hyperparameters: romeHyperparameters,
  defaults: romeDefaults,
  passesPerToken,
  check: (model, h) => (h.layer === TRACED ? undefined : checkLayer(model, h.layer)),
  trainedBy: ['layer'],
  learns: (given) => given.layer === TRACED,
  train: (model, cases, _, context) => traceLayer(model, cases, context),

  async prepare(model, h, context, artifact) {
    const layer = h.layer === TRACED ? tracedLayer(artifact!) : h.layer
    const contexts = contextTemplates(model, h, context)
    const C = h.mom2_adjustment
      ? secondMoment(model, `layers.${layer}.mlp.proj`, secondMomentOptions(model.config, h), context)
      : undefined
    return { contexts, C, layer }
  },

  async *edit(model, groups, given, _, { contexts, C, layer }) {
    const h = { ...given, layer }
    const facts = groups.map(([request]) => factOf(model.tokenizer, contexts, request!))
    for (const some of together(facts)) {
      const located = locate(model, some, h.layer) // k and v at the subject's last token, in every context
      const values = optimiseValues(model, located, h) // v* (eq. 4)
      yield located.map((fact, i) => {
        const value = values[i]!
        const { part, values: norms } = insert(fact, value, h, C) // Λ(C⁻¹k*)ᵀ (eq. 2)
        const flops = valueFlops(model, fact, value.losses.length, h)
        const { losses: lossCurve, nll, kl } = value
        return {
          method: 'rome',
          requests: [fact.request],
          parts: [part],
          diagnostics: { lossCurve, flops, values: { nll, kl, ...norms } }
        }
      })
    }
  }
})
