import { type Estimate, estimate } from '../statistics/intervals'
import { type FactTrace, KINDS, ROLES, type Role, type TraceKind } from './types'

/** Average indirect effect of a state: by how much giving it back raises the probability of the answer over that under noise (Meng et al. 2022, eq. 3). */
export interface AverageEffect {
  readonly kind: TraceKind
  readonly role: Role
  readonly layer: number
  readonly effect: Estimate
}

export interface Effects {
  /** Facts behind the averages. */
  readonly facts: number
  /** Average total effect: by how much the noise lowers the probability of the answer. */
  readonly total: Estimate
  readonly average: readonly AverageEffect[]
}

const OPTIONS = { resamples: 1000, bounds: [-1, 1] } as const

/** Means over facts with 95 % intervals; tokens of one role in a fact count together. Undefined where no fact was traced. */
export function averageEffects(traces: readonly FactTrace[], seed: number): Effects | undefined {
  const options = { ...OPTIONS, seed }
  const total = estimate(
    traces.map((t) => t.high - t.low),
    options
  )
  if (total === undefined) return undefined
  const layers = Math.max(...traces.flatMap((t) => t.effects.map((e) => e.layer))) + 1
  const average = KINDS.flatMap((kind) =>
    ROLES.flatMap((role) =>
      Array.from({ length: layers }, (_, layer) => layer).flatMap((layer): AverageEffect[] => {
        const effect = estimate(
          traces.flatMap((t) => effectOf(t, kind, role, layer)),
          options
        )
        return effect === undefined ? [] : [{ kind, role, layer, effect }]
      })
    )
  )
  return { facts: traces.length, total, average }
}

function effectOf({ effects, roles, low }: FactTrace, kind: TraceKind, role: Role, layer: number): number[] {
  const own = effects.filter((e) => e.kind === kind && e.layer === layer && roles[e.token] === role)
  if (own.length === 0) return []
  return [own.reduce((sum, e) => sum + e.probability - low, 0) / own.length]
}

/** The block whose MLPs, given back at the subject's last token, bring most of the answer back: where ROME would write. */
export function suggestedLayer({ average }: Effects): AverageEffect {
  const candidates = average.filter((e) => e.kind === 'mlp' && e.role === 'last subject token')
  return candidates.reduce((best, e) => (e.effect.mean > best.effect.mean ? e : best))
}
