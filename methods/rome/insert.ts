import type { LowRankPart } from '../../harness/edit'
import { dot, meanVector, norm } from '../../harness/tensor/linalg'
import type { LocatedFact } from '../locate/facts'
import type { SecondMoment } from '../locate/second-moment'
import type { OptimisedValue } from '../locate/value'
import type { RomeHyperparameters } from './hyperparameters'

/**
 * The rank-one update Λ(C⁻¹k*)ᵀ that makes the key give the new value and changes W_proj least in the metric of C
 * (Meng et al. 2022, eq. 2): `W += right·leftᵀ` with left = C⁻¹k*, normalised, and right = (v* - Wk) / (k·left).
 * @param C second moment of the keys; the identity when missing
 */
export function insert(
  { contexts, states }: LocatedFact,
  { delta }: OptimisedValue,
  h: Pick<RomeHyperparameters, 'key'> & { readonly layer: number },
  C: SecondMoment | undefined
): { part: LowRankPart; values: Record<string, number> } {
  const told = states.slice(0, contexts.length)
  const meanKey = meanVector(told.map((s) => s.key))
  const promptKey = Float64Array.from(told[0]!.key)
  // r-ROME: one key everywhere, else k·left can be about 0 and the update explodes (arXiv 2403.07175).
  const direction = h.key === 'prompt' ? promptKey : meanKey
  const solved = C?.factor.solve(direction) ?? direction
  const length = norm(solved)
  const left = solved.map((x) => x / length)
  // Where the update takes effect, and what W_proj gives there now.
  const key = h.key === 'mean' ? meanKey : promptKey
  const before = told[0]!.value
  const output = h.key === 'mean' ? meanVector(told.map((s) => s.value)) : before
  const reach = dot(key, left)
  const right = Float32Array.from(delta, (d, i) => (before[i]! + d - output[i]!) / reach)
  return {
    part: {
      kind: 'low-rank',
      site: `layers.${h.layer}.mlp.proj`,
      rank: 1,
      out: right.length,
      in: left.length,
      u: right,
      v: Float32Array.from(left)
    },
    values: {
      deltaNorm: norm(delta),
      valueNorm: norm(before),
      keyNorm: norm(key),
      reach,
      updateNorm: norm(right)
    }
  }
}
