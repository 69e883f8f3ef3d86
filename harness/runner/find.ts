import type { EditCase } from '../../datasets/types'
import type { EditRequest } from '../edit'
import type { LanguageModel } from '../model'
import { type ReadyMethod, stopwatch } from './edit-groups'
import { cutByTokens } from './last-tokens'

/** What a method's `find` found for the facts of some cases. */
export interface Found {
  /** By case, in the order of its facts. */
  readonly cases: readonly { readonly id: string; readonly found: readonly object[] }[]
  /** Of all of it. */
  readonly ms: number
  readonly peakBytes: number
}

/** What was found for a fact, with its share of the time. */
export interface FoundFact {
  readonly found: object
  readonly ms: number
  readonly peakBytes: number
}

/** The facts that are written for a case. */
export const factsOf = ({ requests, unedited }: EditCase): readonly EditRequest[] => (unedited === true ? [] : requests)

/** Finds what a method needs of every fact. A case it fails on is left out: its edit will say why. */
export function findFor(ready: ReadyMethod, model: LanguageModel, given: readonly EditCase[]): Found {
  const cost = stopwatch()
  const cases = foundOf(
    ready,
    model,
    given.map((c) => cutByTokens(model.tokenizer, c))
  )
  return { cases, ...cost() }
}

function foundOf(ready: ReadyMethod, model: LanguageModel, cases: readonly EditCase[]): Found['cases'] {
  const { method, h, state } = ready
  try {
    const found = [...method.find!(model, cases.flatMap(factsOf), h, state)]
    return cases.map((c) => ({ id: c.id, found: found.splice(0, factsOf(c).length) }))
  } catch {
    return cases.length === 1 ? [] : cases.flatMap((c) => foundOf(ready, model, [c]))
  }
}

/** By fact of some cases what was found of it. */
export function foundFacts(found: readonly Found[], cases: readonly EditCase[]): ReadonlyMap<EditRequest, FoundFact> {
  const known = new Map<string, readonly FoundFact[]>()
  for (const { cases: some, ms, peakBytes } of found) {
    const count = some.reduce((sum, c) => sum + c.found.length, 0)
    for (const c of some)
      known.set(
        c.id,
        c.found.map((one) => ({ found: one, ms: ms / count, peakBytes }))
      )
  }
  const facts = cases.flatMap((c) => factsOf(c).map((fact, i) => [fact, known.get(c.id)?.[i]] as const))
  return new Map(facts.flatMap(([fact, one]) => (one === undefined ? [] : [[fact, one]])))
}
