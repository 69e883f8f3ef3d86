import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { norm } from '../../harness/tensor/linalg'
import { Adam } from '../../harness/tensor/optimizer'
import type { Fact, LocatedFact } from './facts'
import { type ChangedAt, settles, ValueObjective } from './objective'

/** Names as in the hparams files of kmeng01/rome. */
export interface ValueHyperparameters {
  readonly layer: number
  /** Where the change is; at the MLP when missing. */
  readonly at?: ChangedAt
  readonly v_num_grad_steps: number
  readonly v_lr: number
  readonly v_weight_decay: number
  readonly clamp_norm_factor: number
  readonly kl_factor: number
  readonly stop_loss: number
}

export interface OptimisedValue {
  /** What is there before the change, `[dim]`: in the first context, at the subject's last token. */
  readonly before: Float32Array
  /** Its change, `[dim]`. */
  readonly delta: Float32Array
  /** Loss of every step: `nll + kl + decay`. */
  readonly losses: readonly number[]
  readonly nll: number
  readonly kl: number
}

/**
 * Finds for every fact the value that makes the model say its target (Meng et al. 2022, eq. 4): all facts at once, each stopping on its own.
 * Adam on the change δ of the first context's value v, with ‖δ‖ ≤ clamp_norm_factor · ‖v‖.
 */
export function optimiseValues(
  model: LanguageModel,
  facts: readonly LocatedFact[],
  h: ValueHyperparameters
): OptimisedValue[] {
  const initial = facts.map((fact) => (h.at === 'block' ? streamAt(fact) : fact.states[0]!.value))
  const deltas = initial.map((v) => new Float32Array(v.length))
  const losses: number[][] = facts.map(() => [])
  const last = facts.map(() => ({ nll: 0, kl: 0 }))
  const optimizer = new Adam(new Map(deltas.map((d, i) => [String(i), d])), { learningRate: h.v_lr })
  const objective = new ValueObjective(model, facts, h)
  let active = facts.map((_, i) => i)
  try {
    for (let step = 0; step < h.v_num_grad_steps && active.length > 0; step++) {
      // The reference evaluates once more than it steps.
      const steps = step < h.v_num_grad_steps - 1
      const results = objective.evaluate(deltas, steps)
      const updates = new Map<string, Float32Array>()
      for (const fact of active) {
        const { nll, kl, gradient } = results[fact]!
        const delta = deltas[fact]!
        const size = norm(delta)
        const decay = h.v_weight_decay / norm(initial[fact]!) ** 2
        const loss = nll + h.kl_factor * kl + decay * size
        if (!Number.isFinite(loss))
          throw new UserError(`the loss of the value is ${loss} at step ${step}`, { hint: 'try a smaller v_lr' })
        losses[fact]!.push(loss)
        last[fact] = { nll, kl }
        if (loss < h.stop_loss) continue
        // Gradient of the norm; torch takes 0 at the origin.
        if (size > 0) for (let j = 0; j < delta.length; j++) gradient[j] = gradient[j]! + (decay * delta[j]!) / size
        updates.set(String(fact), gradient)
      }
      if (!steps) break
      if (updates.size < active.length) {
        active = active.filter((fact) => updates.has(String(fact)))
        objective.only(new Set(active))
      }
      optimizer.step(updates)
      for (const fact of active) clamp(deltas[fact]!, h.clamp_norm_factor * norm(initial[fact]!))
    }
  } finally {
    objective.dispose()
  }
  return deltas.map((delta, i) => ({ before: initial[i]!, delta, losses: losses[i]!, ...last[i]! }))
}

/** The residual stream after the block at the subject's last token of the first context. */
function streamAt({ contexts, states }: LocatedFact): Float32Array {
  const { hidden, value } = states[0]!
  const at = contexts[0]!.subject * value.length
  return hidden.slice(at, at + value.length)
}

function clamp(delta: Float32Array, longest: number): void {
  const size = norm(delta)
  if (size > longest) for (let i = 0; i < delta.length; i++) delta[i] = (delta[i]! * longest) / size
}

/**
 * Matrix FLOPs of one fact's value and key, by the tokens of its own rows: the same alone or in company, whatever is padded, on every backend.
 * @param evaluations of the objective, each but the last of all steps with its gradient
 */
export function valueFlops(
  model: LanguageModel,
  { contexts, drift }: Fact,
  evaluations: number,
  { layer, v_num_grad_steps }: Pick<ValueHyperparameters, 'layer' | 'v_num_grad_steps'>
): number {
  const above = { from: layer + 1 }
  const gradients = Math.min(evaluations, v_num_grad_steps - 1)
  const settled = settles(model, layer)
  return [...contexts, drift].reduce(
    (sum, { ids, subject, labels }) => {
      const context = ids.length
      const states = model.passFlops(ids.length, { to: layer + 1, context })
      const past = model.passFlops(subject, { ...above, context: subject })
      const logits = Math.max(1, labels.length)
      const settling = settled && context - subject > 1
      const once = settling ? model.passFlops(context - subject, { ...above, to: layer + 2, context }) : 0
      const asked = { ...above, context, logits, asked: logits, settled: settling }
      const evaluation = model.passFlops(context - subject, asked)
      const withGradient = model.passFlops(context - subject, { ...asked, backward: true })
      return sum + states + past + once + gradients * withGradient + (evaluations - gradients) * evaluation
    },
    model.passFlops(1, { ...above, context: drift.ids.length, logits: 1 })
  )
}
