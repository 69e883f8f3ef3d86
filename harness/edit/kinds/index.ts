import { UserError } from '../../errors'
import { codebook } from './codebook'
import { dense } from './dense'
import type { PartKind } from './kind'
import { lowRank } from './low-rank'
import { neurons } from './neurons'
import { prefix } from './prefix'
import { rules } from './rules'

/** Every kind of part an edit may have; a new one is a file and a line here. */
export const KINDS = [lowRank, dense, neurons, codebook, prefix, rules] as const

type PartOf<K> = K extends PartKind<infer P> ? P : never
export type EditPart = PartOf<(typeof KINDS)[number]>

/** @throws UserError for a kind that is not known */
export function kindOf({ kind }: { readonly kind: string }): PartKind<EditPart> {
  // Methods of an interface accept more than they say, so that one list holds kinds of different parts.
  const found = (KINDS as readonly PartKind<EditPart>[]).find((k) => k.kind === kind)
  if (found !== undefined) return found
  throw new UserError(`the edit has a part of the unknown kind '${kind}'`, {
    hint: `known are ${KINDS.map((k) => k.kind).join(', ')}; was it made by another version?`
  })
}
