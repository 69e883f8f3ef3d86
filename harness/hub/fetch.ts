import { writeFileSync } from 'node:fs'
import { UserError } from '../errors'
import { replaceWhole } from '../replace'
import { CachedRepository, COMMIT, hubCache, type Repository } from './cache'
import { HubClient, type Patience, type RemoteFile } from './client'
import { downloadFile } from './download'

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
  const { revision } = options
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
  let before = 0
  for (const file of wanted) {
    const done = before
    onProgress({ path: file.path, bytes: done, total })
    await downloadFile(client, repository, commit, file, {
      ...(patience === undefined ? {} : { patience }),
      onBytes: (bytes) => onProgress({ path: file.path, bytes: done + bytes, total })
    })
    cached.link(commit, file.path, file.etag)
    before += file.bytes
  }
  onProgress({ path: '', bytes: total, total })
  // Last, so that a revision never stands for half a snapshot.
  if (!COMMIT.test(revision)) replaceWhole(cached.refFile(revision), (to) => writeFileSync(to, commit))
  return { dir: cached.snapshot(commit), commit, files: wanted.map((f) => f.path) }
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
