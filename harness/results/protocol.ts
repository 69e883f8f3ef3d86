/** How edits are put to the test. A protocol's name is part of its settings' ids, and numbers of unlike protocols never share a column. */
export type Protocol =
  /** Every case is edited into the original model, asked, and forgotten. */
  | { readonly kind: 'single'; readonly oneByOne: boolean }
  /** So many cases are edited into the original model together, asked, and forgotten. */
  | { readonly kind: 'batch'; readonly size: number; readonly oneByOne: boolean }
  /** Cases are edited one after another, `size` together, each on top of those before. */
  | {
      readonly kind: 'sequential'
      readonly edits: number
      readonly size: number
      readonly oneByOne: boolean
      /** After how many cases all cases so far are asked again; the last is `edits`. */
      readonly askAfter: readonly number[]
      /** Order of the cases: that of the data when missing. */
      readonly orderSeed: number | null
    }

/** `single`, `batch-100`, `sequential-1000`, `sequential-1000-by-10-order-3`. */
export function protocolName(protocol: Protocol): string {
  const how = protocol.oneByOne ? '-one-by-one' : ''
  if (protocol.kind === 'single') return `single${how}`
  if (protocol.kind === 'batch') return `batch-${protocol.size}${how}`
  const { edits, size, orderSeed } = protocol
  return `sequential-${edits}${size > 1 ? `-by-${size}` : ''}${orderSeed === null ? '' : `-order-${orderSeed}`}${how}`
}
