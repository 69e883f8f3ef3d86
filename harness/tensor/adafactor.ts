/**
 * Adafactor (Shazeer and Stern 2018, arXiv 1804.04235) at a constant rate, as transformers has it with `scale_parameter` and `relative_step` off: the second moment
 * of a matrix is kept as those of its rows and columns, there is no first moment, and an update is clipped to a root mean square of 1.
 */
export class Adafactor {
  readonly #learningRate: number
  readonly #moments = new Map<Float32Array, { readonly rows: Float64Array; readonly columns: Float64Array }>()
  #steps = 0

  constructor({ learningRate }: { readonly learningRate: number }) {
    this.#learningRate = learningRate
  }

  /** Moves matrices one step, in place. @param width columns of each */
  step(
    moves: readonly { readonly matrix: Float32Array; readonly gradient: Float32Array; readonly width: number }[]
  ): void {
    this.#steps++
    const decay = 1 - this.#steps ** -0.8
    for (const { matrix, gradient, width } of moves) {
      const height = matrix.length / width
      const known = this.#moments.get(matrix)
      const moments = known ?? { rows: new Float64Array(height), columns: new Float64Array(width) }
      if (known === undefined) this.#moments.set(matrix, moments)
      const { rows, columns } = moments
      for (let r = 0; r < height; r++) rows[r] = rows[r]! * decay
      for (let c = 0; c < width; c++) columns[c] = columns[c]! * decay
      for (let r = 0, i = 0; r < height; r++)
        for (let c = 0; c < width; c++, i++) {
          const square = gradient[i]! ** 2 + TINY
          rows[r] = rows[r]! + ((1 - decay) * square) / width
          columns[c] = columns[c]! + ((1 - decay) * square) / height
        }
      const mean = rows.reduce((sum, x) => sum + x, 0) / height
      const update = new Float64Array(matrix.length)
      let squares = 0
      for (let r = 0, i = 0; r < height; r++)
        for (let c = 0; c < width; c++, i++) {
          update[i] = gradient[i]! / Math.sqrt((rows[r]! / mean) * columns[c]!)
          squares += update[i]! ** 2
        }
      const clip = Math.max(1, Math.sqrt(squares / matrix.length))
      for (let i = 0; i < matrix.length; i++) matrix[i] = matrix[i]! - (this.#learningRate * update[i]!) / clip
    }
  }
}

const TINY = 1e-30
