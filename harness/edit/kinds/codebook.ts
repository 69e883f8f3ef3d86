import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import type { RowPlaces, SiteChange } from '../../model'
import { valuesOf } from '../../tensor'
import type { PartKind } from './kind'
import { checkLinearSite, misfit } from './linear-site'
import { count } from './schema'

/** Which positions get a value: the last token of the prompt, or all before it. */
export const REPLACEMENTS = ['replace_last', 'replace_prompt'] as const
export type Replacement = (typeof REPLACEMENTS)[number]

/**
 * Values that stand in for what a linear site gives, where what goes into it at the last token of the prompt is near a key: that of the nearest key, when it
 * is no farther than that key's radius (GRACE). Keys `[entries, in]` and values `[entries, out]`, row-major; a radius may be negative: nothing is that near.
 */
export interface CodebookPart {
  readonly kind: 'codebook'
  readonly site: string
  readonly replacement: Replacement
  readonly entries: number
  readonly in: number
  readonly out: number
  /** Number of every entry in the whole book, ascending: an entry of a later part takes the place of the earlier one of its number. */
  readonly numbers: readonly number[]
  readonly keys: Float32Array
  readonly values: Float32Array
  readonly radii: Float32Array
}

const header = z.object({
  site: z.string(),
  replacement: z.enum(REPLACEMENTS),
  entries: count,
  in: count,
  out: count,
  numbers: z.array(z.int().min(0))
})

export const codebook: PartKind<CodebookPart> = {
  kind: 'codebook',
  header,
  headerOf: ({ site, replacement, entries, in: width, out, numbers }) => ({
    site,
    replacement,
    entries,
    in: width,
    out,
    numbers
  }),
  arrays: ({ entries, in: width, out, keys, values, radii }) => ({
    keys: { shape: [entries, width], data: keys },
    values: { shape: [entries, out], data: values },
    radii: { shape: [entries], data: radii }
  }),
  revive(stored, arrays) {
    const about = header.parse(stored)
    const { entries, in: width, out } = about
    const [keys, values] = [arrays.read('keys', entries * width), arrays.read('values', entries * out)]
    return { kind: 'codebook', ...about, keys, values, radii: arrays.read('radii', entries) }
  },
  check(part, model) {
    checkLinearSite(part, model)
    const { site, entries, in: width, out, numbers, keys, values, radii } = part
    if (keys.length !== entries * width || values.length !== entries * out || radii.length !== entries)
      throw misfit(site, `has other numbers than ${entries} entries want`)
    if (numbers.length !== entries || numbers.some((n, i) => i > 0 && n <= numbers[i - 1]!))
      throw misfit(site, `numbers its ${entries} entries [${numbers.join(', ')}], not each once and in order`)
  },
  merge(parts) {
    const [first] = parts
    if (parts.length === 1) return first
    if (parts.some((p) => p.replacement !== first.replacement)) return undefined
    const newest = new Map<number, { readonly part: CodebookPart; readonly at: number }>()
    for (const part of parts) for (const [at, number] of part.numbers.entries()) newest.set(number, { part, at })
    const numbers = [...newest.keys()].sort((a, b) => a - b)
    const rows = (name: 'keys' | 'values' | 'radii', width: number) => {
      const all = new Float32Array(numbers.length * width)
      for (const [i, number] of numbers.entries()) {
        const { part, at } = newest.get(number)!
        all.set(part[name].subarray(at * width, (at + 1) * width), i * width)
      }
      return all
    }
    const [keys, values] = [rows('keys', first.in), rows('values', first.out)]
    return { ...first, entries: numbers.length, numbers, keys, values, radii: rows('radii', 1) }
  },
  change:
    (parts): SiteChange =>
    (x, y, where) => {
      const asked = endsIn(x, where).filter(({ row }) => parts[row] !== undefined)
      if (asked.length === 0) return y
      const queries = queriesOf(x, asked) // [asked, in]
      const width = x.shape[2]
      const hits = asked.flatMap(({ at, row, end }, i) => {
        const part = parts[row]!
        const found = nearest(part, queries.subarray(i * width, (i + 1) * width))
        if (found === undefined || found.distance > part.radii[found.entry]!) return []
        const value = part.values.subarray(found.entry * part.out, (found.entry + 1) * part.out)
        return [{ at, end, value, replacement: part.replacement }]
      })
      if (hits.length === 0) return y
      const [rows, , out] = y.shape
      const values = new Float32Array(rows * out)
      for (const { at, value } of hits) values.set(value, at * out)
      return written(y, hits, tf.tensor3d(values, [rows, 1, out]))
    }
}

/** A row of a value at a site, the row of the batch it belongs to, and where its prompt ends. */
interface PromptEnd {
  readonly at: number
  readonly row: number
  readonly end: number
}

/** The rows whose prompts end in this pass: not before it, in the past, nor after. */
function endsIn({ shape: [, seq] }: tf.Tensor3D, { rows, promptEnd }: RowPlaces): PromptEnd[] {
  return [...rows].flatMap((row, at) => {
    const end = promptEnd[row]!
    return end >= 0 && end < seq ? [{ at, row, end }] : []
  })
}

/** What goes into the site at the last tokens of prompts, `[asked, in]`. */
function queriesOf(x: tf.Tensor3D, asked: readonly PromptEnd[]): Float32Array {
  const [, seq, width] = x.shape
  const places = Int32Array.from(asked, ({ at, end }) => at * seq + end)
  return valuesOf(() => tf.gather(x.reshape([-1, width]), tf.tensor1d(places, 'int32')))
}

/**
 * y with a value in place of what it has at some positions of some rows.
 * @param values `[rows, 1, out]`, of account in the rows that are given; differentiable
 */
export function written(
  y: tf.Tensor3D,
  rows: readonly { readonly at: number; readonly end: number; readonly replacement: Replacement }[],
  values: tf.Tensor3D
): tf.Tensor3D {
  const [all, seq] = y.shape
  const replaced = new Float32Array(all * seq)
  for (const { at, end, replacement } of rows)
    replaced.fill(
      1,
      at * seq + (replacement === 'replace_last' ? end : 0),
      at * seq + end + Number(replacement === 'replace_last')
    )
  const mask = tf.tensor3d(replaced, [all, seq, 1])
  return y.mul(tf.sub(1, mask)).add(values.mul(mask))
}

/** The entry whose key is nearest to a query in Euclidean distance, the first of several; undefined for an empty book. */
export function nearest(
  { keys, entries, in: width }: Pick<CodebookPart, 'keys' | 'entries' | 'in'>,
  query: Float32Array
): { readonly entry: number; readonly distance: number } | undefined {
  let entry = -1
  let least = Number.POSITIVE_INFINITY
  for (let e = 0; e < entries; e++) {
    let sum = 0
    // Most keys are farther than the nearest so far long before their last number.
    for (let i = 0, k = e * width; i < width && sum < least; i++, k++) sum += (keys[k]! - query[i]!) ** 2
    if (sum < least) {
      least = sum
      entry = e
    }
  }
  return entry < 0 ? undefined : { entry, distance: Math.sqrt(least) }
}
