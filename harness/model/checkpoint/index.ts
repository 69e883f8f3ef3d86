import { closeSync, existsSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../errors'
import { isLfsPointer, lfsPointer, readJsonObject } from '../../json-file'
import { readExactly } from './read'
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
  { file: 'model.safetensors', read: withAliases },
  { file: 'pytorch_model.bin', read: readTorchCheckpoint }
]

/** Of tensors that share their memory one is stored, and the metadata says under which name: `other name -> stored name`. */
function withAliases(file: string): ReadonlyMap<string, TensorEntry> {
  const { tensors, metadata } = readSafetensorsHeader(file)
  const all = new Map(tensors)
  for (const [name, stored] of Object.entries(metadata)) {
    const entry = typeof stored === 'string' ? tensors.get(stored) : undefined
    if (entry !== undefined && !all.has(name)) all.set(name, entry)
  }
  return all
}

/** @throws UserError when a file is plainly not what its name says */
function checkStart(file: string): void {
  const { size } = statSync(file)
  if (size === 0) throw new UserError('the file is empty', { place: file, hint: 'download it again' })
  const fd = openSync(file, 'r')
  try {
    if (isLfsPointer(readExactly(fd, 0, Math.min(size, 64)).toString('latin1'))) throw lfsPointer(file)
  } finally {
    closeSync(fd)
  }
}

/** Names of the files a checkpoint can begin with. */
export const CHECKPOINT_FILES: readonly string[] = FORMATS.flatMap(({ file }) => [file, `${file}.index.json`])

/**
 * The tensors of a checkpoint folder: `model.safetensors` or `pytorch_model.bin`, or the shards their index names.
 * Undefined when the folder has none of them.
 */
export function readCheckpointIndex(dir: string): TensorIndex | undefined {
  for (const { file, read } of FORMATS) {
    const single = join(dir, file)
    if (existsSync(single)) {
      checkStart(single)
      return read(single)
    }
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
    checkStart(file)
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
  const { weight_map: map } = readJsonObject(file)
  if (
    typeof map === 'object' &&
    map !== null &&
    Object.values(map).every((v) => typeof v === 'string' && /^[\w][\w.-]*$/.test(v))
  )
    return map as Record<string, string>
  throw new UserError('no valid weight_map in the index of the shards', { place: file })
}
