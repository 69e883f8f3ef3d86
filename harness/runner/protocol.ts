import type { EditCase } from '../../datasets/types'
import type { EditingMethod } from '../../methods/types'
import type { ProtocolEntry } from '../config/schema'
import { UserError } from '../errors'
import { randomStream } from '../random'
import type { Protocol } from '../results/protocol'

/**
 * What an entry of a config stands for on a dataset of so many cases, for a method. A sequence with several orders is several protocols.
 * @param holdsMany whether the method's edits hold many facts
 */
export function protocolsOf(entry: ProtocolEntry, cases: number, holdsMany: boolean): Protocol[] {
  if (entry === 'single') return [{ kind: 'single', oneByOne: false }]
  const oneByOne = entry.one_by_one === 'where_needed' ? !holdsMany : entry.one_by_one
  if (!('sequential' in entry)) return [{ kind: 'batch', size: entry.batch, oneByOne }]
  const edits = Math.min(entry.sequential, cases)
  const powers = Array.from({ length: Math.ceil(Math.log10(edits)) }, (_, i) => 10 ** i)
  const chosen = entry.ask_after ?? powers.filter((n) => n % entry.batch === 0)
  const askAfter = [...new Set([...chosen.filter((n) => n < edits), edits])].sort((a, b) => a - b)
  for (const n of askAfter)
    if (n % entry.batch !== 0 && n !== edits)
      throw new UserError(`asking after ${n} cases would cut a batch of ${entry.batch}`, {
        hint: `ask after multiples of ${entry.batch}`
      })
  const of = (orderSeed: number | null): Protocol => ({
    kind: 'sequential',
    edits,
    size: entry.batch,
    oneByOne,
    askAfter,
    orderSeed
  })
  return (entry.orders ?? [null]).map(of)
}

/** The cases of a protocol, in its order. */
export function casesFor(protocol: Protocol, cases: readonly EditCase[]): readonly EditCase[] {
  if (protocol.kind !== 'sequential') return cases
  const { orderSeed, edits } = protocol
  const ordered = orderSeed === null ? cases : randomStream(orderSeed, 'sequence').shuffle([...cases])
  return ordered.slice(0, edits)
}

/**
 * Whether facts that belong together are inserted one after another: where the config says so, and those of a single case by methods that hold one
 * fact an edit (as MQuAKE's authors do it).
 */
export const insertsOneByOne = (
  { holdsMany }: Pick<EditingMethod, 'holdsMany'>,
  { kind, oneByOne }: Protocol
): boolean => oneByOne || (kind === 'single' && !holdsMany)

/** @throws UserError when a method that holds one fact an edit is to hold several */
export function checkHolds({ holdsMany, title }: EditingMethod, protocol: Protocol, cases: readonly EditCase[]): void {
  if (cases.some((c) => c.unedited === true) && (protocol.kind !== 'batch' || protocol.size < cases.length))
    throw new UserError(`${cases.length} cases share the edits of some of them`, {
      hint: `put all into one edit: protocols: [{ batch: ${cases.length} }]`
    })
  if (holdsMany || protocol.oneByOne || protocol.kind === 'single') return
  const { size } = protocol
  const several = cases.find((c) => c.requests.length > 1)
  if (size === 1 && several === undefined) return
  const what =
    size > 1 ? `${size} cases are to share an edit` : `the case ${several!.id} has ${several!.requests.length}`
  throw new UserError(`${title} writes one fact an edit, and ${what}`, {
    hint: 'use a method that holds many, or insert them one after another: one_by_one: true'
  })
}

/** Where the cases of a protocol are cut: after so many, between edits, and at every checkpoint. */
export function cuts(protocol: Protocol, cases: number, most: number): number[] {
  const size = protocol.kind === 'single' ? 1 : protocol.size
  const step = Math.max(1, Math.floor(most / size)) * size
  const checkpoints = protocol.kind === 'sequential' ? protocol.askAfter : []
  const ends: number[] = []
  for (let start = 0; start < cases; ) {
    const next = checkpoints.find((n) => n > start) ?? cases
    start = Math.min(start + step, next, cases)
    ends.push(start)
  }
  return ends
}
