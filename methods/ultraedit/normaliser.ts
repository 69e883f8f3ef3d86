import type { CarriedArray } from '../../harness/edit'

/** Epsilon of single precision: what keeps the official code from dividing by 0. */
const EPSILON = 2 ** -23

/**
 * Running means and spreads of rows, over all turns so far (XiaojieGu/UltraEdit, `RunningMeanStd`). As there, a batch's squares count by its size over one
 * less, so that where batches are cut has a say.
 */
export class RunningNormaliser {
  #count = 0
  readonly #mean: Float64Array
  readonly #squares: Float64Array

  constructor(readonly width: number) {
    this.#mean = new Float64Array(width)
    this.#squares = new Float64Array(width)
  }

  static from({ data }: CarriedArray): RunningNormaliser {
    const width = (data.length - 1) / 2
    const found = new RunningNormaliser(width)
    found.#count = data[0]!
    found.#mean.set(data.subarray(1, 1 + width))
    found.#squares.set(data.subarray(1 + width))
    return found
  }

  /** Rows so far. */
  get count(): number {
    return this.#count
  }

  /** Count, means and sums of squares, in one array. */
  carried(): CarriedArray {
    return { shape: [1 + 2 * this.width], data: Float32Array.of(this.#count, ...this.#mean, ...this.#squares) }
  }

  /** A batch of rows more. A single one has no spread of its own. */
  add(rows: readonly Float32Array[]): void {
    const [before, more] = [this.#count, rows.length]
    const now = before + more
    for (let i = 0; i < this.width; i++) {
      const mean = rows.reduce((sum, row) => sum + row[i]!, 0) / more
      const spread = more < 2 ? 0 : rows.reduce((sum, row) => sum + (row[i]! - mean) ** 2, 0) / (more - 1)
      const delta = mean - this.#mean[i]!
      this.#mean[i] = this.#mean[i]! + (more * delta) / now
      this.#squares[i] = this.#squares[i]! + more * spread + (before * more * delta ** 2) / now
    }
    this.#count = now
  }

  /** A row, less the means, over the spreads. */
  normalise(row: Float32Array): Float64Array {
    const over = this.#count - 1 + EPSILON
    return Float64Array.from(row, (x, i) => (x - this.#mean[i]!) / (Math.sqrt(this.#squares[i]! / over) + EPSILON))
  }
}
