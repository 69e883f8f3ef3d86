import { existsSync, statfsSync, writeFileSync } from 'node:fs'
import { UserError } from '../errors'
import { makeFolder, replaceWhole } from '../replace'
import { CachedRepository, COMMIT, checkRevision, hubCache, type Repository } from './cache'
import { HubClient, type RemoteFile } from './client'
import { downloadFile } from './download'
import type { Patience } from './patience'

export interface FetchOptions {
  readonly revision: string
  /** Use only what is in the cache. */
  readonly offline?: boolean
  readonly patience?: Patience
  readonly onProgress?: (progress: FetchProgress) => void
  readonly onRetry?: (reason: string) => void
}

export interface FetchProgress {
  /** The file that is being downloaded. */
  readonly path: string
  /** Bytes of all files, here and in all. */
  readonly bytes: number
  readonly total: number
}

export interface Fetched {
  /** The snapshot's folder. */
  readonly dir: string
  readonly commit: string
  readonly files: readonly string[]
}

/**
 * Brings a model (config, tokenizer, weights) or a dataset (all files) into the cache the Hugging Face libraries share.
 * @throws UserError that says what went wrong and what to do; what was downloaded stays
 */
export async function fetchRepository(repository: Repository, options: FetchOptions): Promise<Fetched> {
  const cached = new CachedRepository(repository)
  const revision = checkRevision(options.revision)
  if (options.offline === true) {
    const commit = cached.commitOf(revision)
    if (commit !== undefined) return { dir: cached.snapshot(commit), commit, files: [] }
    throw new UserError(`revision '${revision}' is not in the cache`, {
      place: repository.name,
      hint: `looked in ${hubCache()}; run it without --offline to download it`
    })
  }
  const { patience, onProgress = () => {}, onRetry } = options
  const client = new HubClient({
    ...(patience === undefined ? {} : { patience }),
    ...(onRetry === undefined ? {} : { onRetry })
  })
  const { commit, files } = await client.tree(repository, revision)
  const wanted = repository.type === 'model' ? modelFiles(files) : files
  if (wanted.length === 0) {
    throw new UserError('the repository has no file to fetch', {
      place: repository.name,
      hint: 'is it a model in Hugging Face layout?'
    })
  }
  const total = wanted.reduce((sum, f) => sum + f.bytes, 0)
  checkSpace(repository, wanted)
  let before = 0
  for (const file of wanted) {
    const done = before
    onProgress({ path: file.path, bytes: done, total })
    const onBytes = (bytes: number) => onProgress({ path: file.path, bytes: done + bytes, total })
    await downloadFile(client, repository, commit, file, onBytes)
    cached.link(commit, file.path, file.etag)
    before += file.bytes
  }
  onProgress({ path: '', bytes: total, total })
  // Last, so that a revision never stands for half a snapshot.
  if (!COMMIT.test(revision)) replaceWhole(cached.refFile(revision), (to) => writeFileSync(to, commit))
  return { dir: cached.snapshot(commit), commit, files: wanted.map((f) => f.path) }
}

/** @throws UserError before the first byte when the disk cannot hold what is missing */
function checkSpace(repository: Repository, files: readonly RemoteFile[]): void {
  const cached = new CachedRepository(repository)
  makeFolder(cached.dir)
  const missing = files.reduce((sum, f) => sum + (existsSync(cached.blob(f.etag)) ? 0 : f.bytes), 0)
  const { bavail, bsize } = statfsSync(cached.dir)
  if (missing <= bavail * bsize) return
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`
  throw new UserError(`${gb(missing)} are to be downloaded, and ${gb(bavail * bsize)} are free`, {
    place: hubCache(),
    hint: 'make room, or set HF_HOME to a folder on a larger disk'
  })
}

const SMALL_FILES = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'chat_template.jinja',
  'README.md'
])

/** What a causal language model needs: one set of weights, safetensors where there are any. */
export function modelFiles(files: readonly RemoteFile[]): RemoteFile[] {
  const weights = (pattern: RegExp) => files.filter((f) => pattern.test(f.path))
  const safe = weights(/^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/)
  const torch = weights(/^pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?$/)
  return [...files.filter((f) => SMALL_FILES.has(f.path)), ...(safe.length > 0 ? safe : torch)]
}
