import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../harness/errors'
import { readSafetensorsHeader, readTensor, writeSafetensors } from '../../harness/model'
import { symmetricEigen } from '../../harness/tensor/linalg'
import type { SecondMoment } from '../locate/second-moment'
import type { PrepareContext } from '../types'

/**
 * The directions of keys that a corpus hardly uses: eigenvectors of C with eigenvalues below a threshold (Fang et al. 2025, section 3.2). Held as the
 * thinner of the two sets, these or all others.
 */
export class NullSpace {
  /**
   * @param basis orthonormal vectors, a row each, `[rows, n]`
   * @param holds whether they span the null space, or what is left out of it
   */
  constructor(
    readonly basis: Float32Array,
    readonly n: number,
    readonly holds: boolean
  ) {}

  /** Dimensions. */
  get size(): number {
    const rows = this.basis.length / this.n
    return this.holds ? rows : this.n - rows
  }

  /** P·k. */
  project(key: Float32Array): Float32Array {
    const { basis, n, holds } = this
    const inside = new Float64Array(n)
    for (let row = 0; row < basis.length; row += n) {
      let share = 0
      for (let i = 0; i < n; i++) share += basis[row + i]! * key[i]!
      for (let i = 0; i < n; i++) inside[i] = inside[i]! + share * basis[row + i]!
    }
    return holds ? Float32Array.from(inside) : key.map((x, i) => x - inside[i]!)
  }
}

/**
 * The null space of a second moment, from the cache or now: all its eigenvectors must be found, which takes n³ operations.
 * @throws UserError when every direction is used, or none
 */
export function nullSpace(
  { matrix, n }: SecondMoment,
  site: string,
  threshold: number,
  { cacheDir, keep, onSetup }: PrepareContext
): NullSpace {
  const key = createHash('sha256')
    .update(JSON.stringify(['null-space', n, threshold]))
    .update(new Uint8Array(matrix.buffer, matrix.byteOffset, matrix.byteLength))
    .digest('hex')
  let how: 'computed' | 'cached' = 'cached'
  const found = keep(key, () => {
    const file = join(cacheDir, 'null-spaces', `${key}.safetensors`)
    const known = readKnown(file, n)
    if (known !== undefined) return known
    how = 'computed'
    const space = compute(matrix, n, threshold, site)
    const data = space.basis
    const metadata = { holds: String(space.holds), sha256: checksum(data) }
    writeSafetensors(file, new Map([['basis', { shape: [data.length / n, n], data }]]), { metadata })
    return space
  })
  onSetup?.(`null space of ${site}`, how)
  return found
}

function compute(matrix: Float64Array, n: number, threshold: number, site: string): NullSpace {
  const { values, vectors } = symmetricEigen(matrix, n)
  const unused = values.filter((value) => value < threshold).length
  if (unused === 0 || unused === n)
    throw new UserError(
      unused === 0 ? `${site} has no direction that the corpus leaves free` : `the corpus uses no direction of ${site}`,
      {
        place: 'nullspace_threshold',
        hint: `the eigenvalues of its second moment go from ${values[0]!.toExponential(2)} to ${values.at(-1)!.toExponential(2)}, their median is ${values[n >> 1]!.toExponential(2)}`
      }
    )
  const holds = unused <= n / 2
  const rows = holds ? vectors.subarray(0, unused * n) : vectors.subarray(unused * n)
  return new NullSpace(Float32Array.from(rows), n, holds)
}

function readKnown(file: string, n: number): NullSpace | undefined {
  if (!existsSync(file)) return undefined
  try {
    const { tensors, metadata } = readSafetensorsHeader(file)
    const entry = tensors.get('basis')
    const basis = entry?.shape[1] === n ? readTensor('basis', entry) : undefined
    if (basis === undefined || metadata.sha256 !== checksum(basis)) return undefined
    return new NullSpace(basis, n, metadata.holds === 'true')
  } catch (error) {
    // Damaged: it is computed again.
    if (!(error instanceof UserError)) throw error
    return undefined
  }
}

const checksum = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex')
