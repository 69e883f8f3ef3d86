import type { Edit, EditRequest } from '../../harness/edit/types'
import { UserError } from '../../harness/errors'
import { batchesByLength, type LanguageModel } from '../../harness/model'
import { type Cholesky, dot, meanVector, norm } from '../../harness/tensor/linalg'
import { checkLayer } from '../layer'
import { secondMoment } from '../second-moment'
import type { EditContext, EditingMethod } from '../types'
import { type RomeHyperparameters, romeDefaults, romeHyperparameters } from './hyperparameters'
import { type OptimisedValue, optimiseValues, type SubjectStates, subjectStates } from './optimise'
import { type Row, rowsOf } from './rows'
import { contextTemplates } from './templates'

/** Padded tokens of the facts that are optimised together. */
const TOKENS_TOGETHER = 2048

/** A small multiple of the key's length suffices for the second moment (arXiv 2506.04226). */
const TOKENS_PER_DIMENSION = 20

export const rome: EditingMethod<typeof romeHyperparameters> = {
  name: 'rome',
  title: 'ROME',
  family: 'locate-then-edit',
  source: 'Meng et al. 2022, arXiv 2202.05262; key of r-ROME: Gupta et al. 2024, arXiv 2403.07175',
  supportsBatch: false,
  hyperparameters: romeHyperparameters,
  defaults: romeDefaults,

  passesPerToken(model, h) {
    const generated = h.context_template_length_params.reduce((sum, [, count]) => sum + count, 1)
    const above = (model.layers - h.layer) / model.layers
    return (h.context_templates?.length ?? generated) * (1 + 2 * h.v_num_grad_steps * above)
  },

  check: (model, h) => checkLayer(model, h.layer),

  async prepare(model, h, context) {
    contextTemplates(model, h, context)
    moment(model, h, context)
  },

  async edit(model, groups, h, context) {
    checkLayer(model.config, h.layer)
    const templates = contextTemplates(model, h, context)
    const factor = moment(model, h, context)
    return editFacts(model, groups.map(only), h, templates, factor, context.onEdit)
  }
}

/**
 * The edits of independent facts, computed together as far as memory sensibly allows.
 * @param factor factored second moment of the keys; the identity when missing
 */
export function editFacts(
  model: LanguageModel,
  requests: readonly EditRequest[],
  h: RomeHyperparameters,
  templates: readonly string[],
  factor: Cholesky | undefined,
  onEdit: (facts: readonly number[]) => void = () => {}
): Edit[] {
  const rows = requests.map((request) => rowsOf(model.tokenizer, templates, request, 0))
  const sizes = rows.map((r) => r.length * Math.max(...r.map((row) => row.ids.length)))
  const edits = new Array<Edit>(requests.length)
  for (const batch of batchesByLength(sizes, TOKENS_TOGETHER)) {
    const together = batch.flatMap((request, fact) => rows[request]!.map((row) => ({ ...row, fact })))
    const states = subjectStates(model, together, h.layer)
    const initial = batch.map((_, fact) => states.values[together.findIndex((row) => row.fact === fact)]!)
    const values = optimiseValues(model, together, states, initial, h)
    for (const [fact, request] of batch.entries()) {
      const flops = editFlops(model, rows[request]!, values[fact]!.losses.length, h)
      edits[request] = rankOne([requests[request]!], together, states, fact, values[fact]!, h, factor, flops)
    }
    onEdit(batch)
  }
  return edits
}

/**
 * Matrix FLOPs of one edit, by the tokens of its own rows: the same alone or in company, whatever is padded, on every backend.
 * @param evaluations of the objective and its gradient
 */
function editFlops(
  model: LanguageModel,
  rows: readonly Row[],
  evaluations: number,
  { layer }: RomeHyperparameters
): number {
  const above = { from: layer + 1 }
  return rows.reduce((sum, { ids, subject, labels }) => {
    const context = ids.length
    const states = model.passFlops(ids.length, { to: layer + 1, context })
    const past = model.passFlops(subject, { ...above, context: subject })
    const logits = Math.max(1, labels.length)
    const evaluation = model.passFlops(context - subject, { ...above, context, logits, backward: true })
    return sum + states + past + evaluations * evaluation
  }, 0)
}

function moment(model: LanguageModel, h: RomeHyperparameters, context: EditContext): Cholesky | undefined {
  if (!h.mom2_adjustment) return undefined
  const options = { tokens: h.mom2_n_tokens ?? TOKENS_PER_DIMENSION * model.config.ffDim, ridge: h.mom2_ridge }
  return secondMoment(model, `layers.${h.layer}.mlp.proj`, options, context)
}

function only(group: readonly EditRequest[]): EditRequest {
  if (group.length === 1) return group[0]!
  throw new UserError(`ROME writes one fact an edit, it was given ${group.length}`, {
    hint: 'edit the facts one by one, or use a method that supports batches'
  })
}

/**
 * The rank-one update Λ(C⁻¹k*)ᵀ that makes the key give the new value and changes W_proj least in the metric of C
 * (Meng et al. 2022, eq. 2): `W += right·leftᵀ` with left = C⁻¹k*, normalised, and right = (v* - Wk) / (k·left).
 */
function rankOne(
  requests: readonly EditRequest[],
  rows: readonly Row[],
  states: SubjectStates,
  fact: number,
  value: OptimisedValue,
  h: RomeHyperparameters,
  factor: Cholesky | undefined,
  flops: number
): Edit {
  const contexts = rows.flatMap((row, i) => (row.fact === fact && row.labels.length > 0 ? [i] : []))
  const [prompt] = contexts as [number, ...number[]]
  const meanKey = meanVector(contexts.map((i) => states.keys[i]!))
  const promptKey = Float64Array.from(states.keys[prompt]!)
  const direction = h.key === 'prompt' ? promptKey : meanKey
  const solved = factor?.solve(direction) ?? direction
  const length = norm(solved)
  const left = solved.map((x) => x / length)
  // Where the update takes effect, and what W_proj gives there now.
  const key = h.key === 'mean' ? meanKey : promptKey
  const output = h.key === 'mean' ? meanVector(contexts.map((i) => states.values[i]!)) : states.values[prompt]!
  const reach = dot(key, left)
  const before = states.values[prompt]!
  const right = Float32Array.from(value.delta, (d, i) => (before[i]! + d - output[i]!) / reach)
  const part = {
    kind: 'low-rank' as const,
    site: `layers.${h.layer}.mlp.proj`,
    rank: 1,
    out: right.length,
    in: left.length,
    u: right,
    v: Float32Array.from(left)
  }
  return {
    method: 'rome',
    requests,
    parts: [part],
    diagnostics: {
      lossCurve: value.losses,
      flops,
      values: {
        nll: value.nll,
        kl: value.kl,
        deltaNorm: norm(value.delta),
        valueNorm: norm(before),
        keyNorm: norm(key),
        reach,
        updateNorm: norm(right)
      }
    }
  }
}
