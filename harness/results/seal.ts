import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../errors'
import { sha256 } from '../sha256'

/** What a stored file must be: anything else is damage. */
export const sealSchema = z.object({
  bytes: z.number().int().nonnegative(),
  sha256: z.string().length(64),
  rows: z.number().int()
})
export type Seal = z.output<typeof sealSchema>
/** Seals by file name. */
export type Seals = Readonly<Record<string, Seal>>

export const sealOf = (bytes: Uint8Array, rows: number): Seal => ({ bytes: bytes.length, sha256: sha256(bytes), rows })

/** The bytes of a sealed file. @throws UserError when they are others, or the file is missing */
export function readSealed(dir: string, name: string, seals: Seals): Buffer {
  const file = join(dir, name)
  const seal = seals[name]
  const bad = (message: string) =>
    new UserError(message, { place: file, hint: 'it was cut, changed or damaged after it was written; run it again' })
  if (seal === undefined) throw bad('no checksum is stored for this file')
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    throw bad(`cannot be read: ${(error as Error).message}`)
  }
  if (bytes.length !== seal.bytes) throw bad(`has ${bytes.length} bytes, ${seal.bytes} were written`)
  if (sha256(bytes) !== seal.sha256) throw bad('does not have the checksum it was written with')
  return bytes
}
