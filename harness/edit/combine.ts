import { groupBy } from '../group-by'
import { type EditPart, kindOf } from './kinds'
import type { Edit } from './types'

/** One edit that does what both do, the second on top of the first: parts of a kind at one site become one where the kind can merge them. */
export function combined(first: Edit | undefined, second: Edit): Edit {
  if (first === undefined) return second
  const parts = mergedParts([...first.parts, ...second.parts])
  // Whoever made the second knew the first: what it carries holds for both.
  const carry = second.carry ?? first.carry
  return {
    method: second.method,
    requests: [...first.requests, ...second.requests],
    parts,
    ...(carry === undefined ? {} : { carry }),
    diagnostics: {}
  }
}

/** Parts with those of one kind at one site merged into one, where the kind can. */
export function mergedParts(parts: readonly EditPart[]): EditPart[] {
  const groups = groupBy(parts, (part) => JSON.stringify([part.kind, 'site' in part ? part.site : null]))
  return [...groups.values()].flatMap(([part, ...more]) => {
    const merged = kindOf(part!).merge?.([part!, ...more])
    return merged === undefined ? [part!, ...more] : [merged]
  })
}
