import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../errors'
import { readSafetensorsHeader } from './safetensors'
import type { TensorEntry, TensorIndex } from './tensor'
import { readTorchCheckpoint } from './torch'

export { readSafetensorsHeader, type TensorToWrite, writeSafetensors } from './safetensors'
export { readTensor, type TensorEntry, type TensorIndex } from './tensor'

interface Format {
  /** The file of a checkpoint in one piece; the index of one in shards is this name with `.index.json`. */
  readonly file: string
  readonly read: (file: string) => ReadonlyMap<string, TensorEntry>
}

/** In the order of preference. */
const FORMATS: readonly Format[] = [
  { file: 'model.safetensors', read: (file) => readSafetensorsHeader(file).tensors },
  { file: 'pytorch_model.bin', read: readTorchCheckpoint }
]

/** Names of the files a checkpoint can begin with. */
export const CHECKPOINT_FILES: readonly string[] = FORMATS.flatMap(({ file }) => [file, `${file}.index.json`])

/**
 * The tensors of a checkpoint folder: `model.safetensors` or `pytorch_model.bin`, or the shards their index names.
 * Undefined when the folder has none of them.
 */
export function readCheckpointIndex(dir: string): TensorIndex | undefined {
  for (const { file, read } of FORMATS) {
    const single = join(dir, file)
    if (existsSync(single)) return read(single)
    const index = `${single}.index.json`
    if (existsSync(index)) return readShards(dir, index, read)
  }
  return undefined
}

function readShards(dir: string, indexFile: string, read: Format['read']): TensorIndex {
  const map = readWeightMap(indexFile)
  const all = new Map<string, TensorEntry>()
  for (const shard of new Set(Object.values(map))) {
    const file = join(dir, shard)
    if (!existsSync(file)) {
      throw new UserError(`a shard of the checkpoint is missing: ${shard}`, {
        place: indexFile,
        hint: 'download the whole checkpoint again'
      })
    }
    for (const [name, entry] of read(file)) {
      if (all.has(name)) throw new UserError(`tensor '${name}' is in more than one shard`, { place: indexFile })
      all.set(name, entry)
    }
  }
  for (const name of Object.keys(map)) {
    if (!all.has(name)) throw new UserError(`tensor '${name}' is not in its shard ${map[name]}`, { place: indexFile })
  }
  return all
}

function readWeightMap(file: string): Record<string, string> {
  try {
    const { weight_map: map } = JSON.parse(readFileSync(file, 'utf8')) as { weight_map?: unknown }
    if (
      typeof map === 'object' &&
      map !== null &&
      Object.values(map).every((v) => typeof v === 'string' && !v.includes('/'))
    ) {
      return map as Record<string, string>
    }
  } catch (error) {
    throw new UserError(`not JSON: ${(error as Error).message}`, { place: file })
  }
  throw new UserError('no valid weight_map in the index of the shards', { place: file })
}
