import * as tf from '@tensorflow/tfjs'
import type { DensePart, Edit, LowRankPart } from '../edit/types'
import { lowRank } from '../tensor'
import { checkPart } from './sites'
import type { ForwardOptions } from './types'

/** Applies to every row of a batch the edit it carries (DESIGN.md, idea 1). */
export class RowEdits {
  readonly #edits: readonly Edit[]
  readonly #rowEdit: Int32Array
  readonly #lowRankSites = new Set<string>()
  readonly #denseSites = new Set<string>()

  /** @throws UserError for a part that changes nothing here: at a site the model does not have, of another size or of an unknown kind */
  constructor(options: ForwardOptions['edits'], batch: number, weights: { get(name: string): tf.Tensor | undefined }) {
    this.#edits = options?.edits ?? []
    this.#rowEdit = options?.rowEdit ?? new Int32Array(batch).fill(-1)
    for (const index of new Set(this.#rowEdit)) {
      for (const part of this.#edits[index]?.parts ?? []) {
        checkPart(part, (name) => weights.get(name)?.shape)
        const sites = part.kind === 'dense' ? this.#denseSites : this.#lowRankSites
        sites.add(part.site)
      }
    }
    if (this.#denseSites.size > 0 && new Set(this.#rowEdit).size > 1) {
      throw new Error('a dense edit must serve every row of its batch')
    }
  }

  /** The site's weight `[out, in]` and bias with the batch's dense deltas added. */
  dense(
    site: string,
    weight: tf.Tensor2D,
    bias: tf.Tensor1D | undefined
  ): { weight: tf.Tensor2D; bias: tf.Tensor1D | undefined } {
    if (!this.#denseSites.has(site)) return { weight, bias }
    for (const part of this.#partsOf(this.#rowEdit[0]!, site)) {
      if (part.kind !== 'dense') continue
      weight = weight.add(tf.tensor2d(part.delta, [part.out, part.in]))
      if (part.bias !== undefined) bias = bias === undefined ? tf.tensor1d(part.bias) : bias.add(tf.tensor1d(part.bias))
    }
    return { weight, bias }
  }

  /** `y + Uₑ(Vₑᵀx)` with each row's own U and V; x `[batch, seq, in]`, y `[batch, seq, out]`. */
  lowRank(site: string, x: tf.Tensor3D, y: tf.Tensor3D): tf.Tensor3D {
    if (!this.#lowRankSites.has(site)) return y
    const rows = [...this.#rowEdit].map((edit) =>
      this.#partsOf(edit, site).filter((p): p is LowRankPart => p.kind === 'low-rank')
    )
    const rank = Math.max(...rows.map((parts) => parts.reduce((sum, p) => sum + p.rank, 0)))
    const [, , into] = x.shape
    const out = y.shape[2]
    // Rows without an edit, or of smaller rank, have zeros.
    const u = new Float32Array(rows.length * out * rank)
    const v = new Float32Array(rows.length * into * rank)
    rows.forEach((parts, row) => {
      let column = 0
      for (const part of parts) {
        copyColumns(part.u, part.rank, u, row * out, out, rank, column)
        copyColumns(part.v, part.rank, v, row * into, into, rank, column)
        column += part.rank
      }
    })
    return y.add(lowRank(x, tf.tensor3d(v, [rows.length, into, rank]), tf.tensor3d(u, [rows.length, out, rank])))
  }

  #partsOf(edit: number, site: string): readonly (LowRankPart | DensePart)[] {
    return this.#edits[edit]?.parts.filter((part) => part.site === site) ?? []
  }
}

/** Copies a `[n, rank]` matrix into columns column.. of rows `firstRow`.. of a `[.., width]` matrix. */
function copyColumns(
  source: Float32Array,
  rank: number,
  target: Float32Array,
  firstRow: number,
  n: number,
  width: number,
  column: number
): void {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < rank; j++) target[(firstRow + i) * width + column + j] = source[i * rank + j]!
  }
}
