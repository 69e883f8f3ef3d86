import { createHash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Artifact, EditingMethod } from '../../methods/types'
import { UserError } from '../errors'
import { type LanguageModel, readSafetensorsHeader, readTensor, writeSafetensors } from '../model'
import type { MethodTask } from './tasks'

/*
 * What methods have learnt, in the cache: a safetensors file named by all that decides what is learnt. It can be copied into the cache of another
 * machine, where a run of the same config finds it.
 */

/** Names what a method learns: by the method and its code where that is not ours, the hyper-parameters that decide it, the model and the cases. */
export function artifactKey(
  { name, trainedBy = [] }: EditingMethod,
  { module, hyperparameters, training }: Pick<MethodTask, 'module' | 'hyperparameters' | 'training'>,
  model: Pick<LanguageModel, 'hash'>,
  seed: number
): string {
  const decides = trainedBy.map((key) => [key, hyperparameters[key] ?? null])
  const all = ['artifact', name, module?.hash, decides, model.hash, training?.hash, seed]
  const hash = createHash('sha256').update(JSON.stringify(all))
  return `${name}-${hash.digest('hex').slice(0, 32)}`
}

export const artifactFile = (cacheDir: string, key: string): string => join(cacheDir, 'trained', `${key}.safetensors`)
const checkpointFile = (cacheDir: string, key: string) => join(cacheDir, 'trained', `${key}.unfinished.safetensors`)

export interface StoredArtifact extends Artifact {
  /** How long it took to learn. */
  readonly ms: number
}

/** What is stored under a key; undefined when there is nothing, or something damaged, which is learnt again. */
export function readArtifact(
  cacheDir: string,
  key: string,
  onDamaged?: (file: string) => void
): StoredArtifact | undefined {
  return readStored(artifactFile(cacheDir, key), onDamaged)
}

export function writeArtifact(cacheDir: string, key: string, artifact: Artifact, ms: number): void {
  writeStored(artifactFile(cacheDir, key), artifact, ms)
  rmSync(checkpointFile(cacheDir, key), { force: true })
}

/** What an unfinished training has kept. */
export const readCheckpoint = (cacheDir: string, key: string): StoredArtifact | undefined =>
  readStored(checkpointFile(cacheDir, key))

export const writeCheckpoint = (cacheDir: string, key: string, artifact: Artifact, ms: number): void =>
  writeStored(checkpointFile(cacheDir, key), artifact, ms)

/** Writes an artifact with its checksum, whole or not at all. */
export function writeStored(file: string, { tensors, json = null }: Artifact, ms: number): void {
  const entries = Object.entries(tensors)
  const metadata = { json: JSON.stringify(json), ms: String(ms), sha256: checksum(entries, json) }
  writeSafetensors(file, new Map(entries), { metadata })
}

/** What is stored in a file; undefined when there is nothing, or something damaged. */
export function readStored(file: string, onDamaged: (file: string) => void = () => {}): StoredArtifact | undefined {
  if (!existsSync(file)) return undefined
  try {
    const { tensors, metadata } = readSafetensorsHeader(file)
    const entries = [...tensors].map(
      ([name, entry]) => [name, { shape: entry.shape, data: readTensor(name, entry) }] as const
    )
    const json = JSON.parse(metadata.json ?? 'null') as unknown
    if (metadata.sha256 === checksum(entries, json))
      return { tensors: Object.fromEntries(entries), json, ms: Number(metadata.ms) }
  } catch (error) {
    if (!(error instanceof UserError || error instanceof SyntaxError)) throw error
  }
  onDamaged(file)
  return undefined
}

function checksum(entries: readonly (readonly [string, Artifact['tensors'][string]])[], json: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(json))
  for (const [name, { shape, data }] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(`${name} ${shape.join()}`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  return hash.digest('hex')
}
