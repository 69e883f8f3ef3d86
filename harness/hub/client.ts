import { types } from 'node:util'
import { UserError } from '../errors'
import { COMMIT, ETAG, hubToken, type Repository } from './cache'
import { CutOff, mayPass, PATIENCE, PassingStatus, type Patience, patiently, SILENCE_MS } from './patience'

/** A file of a repository. */
export interface RemoteFile {
  readonly path: string
  readonly bytes: number
  /** Name of its blob: SHA-256 of large files, git's SHA-1 of small ones. */
  readonly etag: string
}

export interface RemoteTree {
  readonly commit: string
  readonly files: readonly RemoteFile[]
}

/** A list of files ends by then: the largest repositories have some 100,000, 1,000 to a page. */
const MOST_PAGES = 1000
const MOST_PAGE_BYTES = 32 * 2 ** 20

/** The hub's API through its own client, at HF_ENDPOINT where that is set. The token is sent there alone, and never shown. */
export class HubClient {
  readonly endpoint: string
  readonly #token: string | undefined
  readonly #patience: Patience
  readonly #onRetry: (reason: string) => void

  constructor({
    patience = PATIENCE,
    onRetry = () => {}
  }: { patience?: Patience; onRetry?: (reason: string) => void } = {}) {
    this.endpoint = hubEndpoint()
    this.#token = hubToken()
    this.#patience = patience
    this.#onRetry = onRetry
  }

  /** The files of a revision, and the commit it stands for now. */
  async tree(repository: Repository, revision: string): Promise<RemoteTree> {
    const { datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub')
    const shared = {
      hubUrl: this.endpoint,
      fetch: this.#api(repository),
      ...(this.#token === undefined ? {} : { accessToken: this.#token })
    }
    try {
      const { name } = repository
      const about = { ...shared, name, revision, additionalFields: ['sha' as const] }
      const { sha } = repository.type === 'model' ? await modelInfo(about) : await datasetInfo(about)
      if (typeof sha !== 'string' || !COMMIT.test(sha))
        throw new UserError(`no valid commit for ${revision}`, { place: name })
      const files: RemoteFile[] = []
      for await (const entry of listFiles({ ...shared, repo: repository, revision: sha, recursive: true })) {
        if (entry.type === 'file') files.push(remoteFile(entry, name))
      }
      return { commit: sha, files }
    } catch (error) {
      throw this.#explained(error, repository, revision)
    }
  }

  /** The bytes of a file from `start` on, asked for once: who downloads decides whether to ask again. */
  async open(
    repository: Repository,
    commit: string,
    path: string,
    start: number,
    signal: AbortSignal
  ): Promise<Response> {
    const prefix = repository.type === 'model' ? '' : 'datasets/'
    const place = path.split('/').map(encodeURIComponent).join('/')
    const url = `${this.endpoint}/${prefix}${repository.name}/resolve/${commit}/${place}`
    const headers = {
      ...(start > 0 ? { Range: `bytes=${start}-` } : {}),
      // What is compressed on the way cannot be gone on with.
      'Accept-Encoding': 'identity',
      ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` })
    }
    const response = await fetch(url, { headers, signal })
    if (response.ok) return response
    await response.body?.cancel()
    throw PassingStatus.of(response) ?? this.#explained({ statusCode: response.status }, repository, commit)
  }

  /** Tries work again while what stops it may pass. @throws UserError when it did not, or cannot */
  async patiently<T>(
    repository: Repository,
    revision: string,
    work: (progressed: () => void) => Promise<T>
  ): Promise<T> {
    try {
      return await patiently(this.#patience, this.#onRetry, work)
    } catch (error) {
      throw this.#explained(error, repository, revision)
    }
  }

  /** `fetch` for one listing: patient, bounded in pages and bytes, and without the token for other hosts (a page names the next). */
  #api({ name }: Repository): typeof fetch {
    const { origin } = new URL(this.endpoint)
    const seen = new Set<string>()
    return async (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input)
      if (seen.has(url.href) || seen.size >= MOST_PAGES) {
        throw new UserError('the list of files does not end', { place: name, hint: `is ${this.endpoint} a hub?` })
      }
      seen.add(url.href)
      const headers = new Headers(init?.headers)
      if (url.origin !== origin) headers.delete('Authorization')
      return patiently(this.#patience, this.#onRetry, async () => {
        const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(SILENCE_MS) })
        const passing = PassingStatus.of(response)
        if (passing === undefined) return bounded(response, MOST_PAGE_BYTES, name)
        await response.body?.cancel()
        throw passing
      })
    }
  }

  #explained(error: unknown, { type, name }: Repository, revision: string): unknown {
    const status = (error as { statusCode?: unknown } | undefined)?.statusCode
    const bad = (message: string, hint: string) => new UserError(message, { place: name, hint, cause: error })
    const page = `${this.endpoint}/${type === 'dataset' ? 'datasets/' : ''}${name}`
    const token = this.#token === undefined ? 'no token is set' : 'the token that is set does not allow it'
    switch (status) {
      case 401:
        return bad(
          `the hub wants to know who asks, and ${token}`,
          'make a token at https://huggingface.co/settings/tokens and set HF_TOKEN, or check the name'
        )
      case 403:
        return bad(
          `access is restricted, and ${token}`,
          `ask for access at ${page}, then set HF_TOKEN to a token of that account`
        )
      case 404:
        return bad(
          `no such ${type}, or no revision '${revision}' of it`,
          `look at ${page}; datasets are written datasets/${name}`
        )
      case 429:
        return bad('the hub wants fewer requests', 'wait a few minutes and run it again: what is downloaded stays')
    }
    if (typeof status === 'number')
      return bad(`the hub answered with status ${status}`, 'try again later: what is downloaded stays')
    if (!mayPass(error)) return error
    const reason = types.isNativeError(error.cause) ? error.cause.message : error.message
    if (error instanceof CutOff) return bad(`${error.message}: ${reason}`, 'run it again: it goes on where it stopped')
    return bad(
      `the hub at ${this.endpoint} cannot be reached: ${reason}`,
      'check the network, or name a mirror by HF_ENDPOINT; with --offline nothing but the cache is used'
    )
  }
}

/** HF_ENDPOINT, or the hub itself. @throws UserError, without showing it, when it is no address or holds a password */
function hubEndpoint(): string {
  const given = process.env.HF_ENDPOINT ?? ''
  if (given === '') return 'https://huggingface.co'
  const url = URL.canParse(given) ? new URL(given) : null
  const bad = (message: string, hint: string) => new UserError(message, { place: 'HF_ENDPOINT', hint })
  if (url === null || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '')
    throw bad('not the address of a hub', 'write it as https://HOST, with a path if the mirror has one')
  if (url.username !== '' || url.password !== '')
    throw bad('the address holds a user name or a password', 'leave them out; a token is set by HF_TOKEN')
  return url.href.replace(/\/+$/, '')
}

/** What the repository says of a file. @throws UserError for what a download could not be checked against */
function remoteFile(
  { path, size, oid, lfs }: { path: string; size: number; oid?: string; lfs?: { oid: string; size: number } },
  place: string
): RemoteFile {
  const etag = lfs?.oid ?? oid
  const bytes = lfs?.size ?? size
  const good = typeof path === 'string' && typeof etag === 'string' && ETAG.test(etag)
  if (good && Number.isSafeInteger(bytes) && bytes >= 0) return { path, bytes, etag }
  throw new UserError(`the repository lists '${String(path).slice(0, 80)}' without a valid size and checksum`, {
    place,
    hint: 'is HF_ENDPOINT a hub?'
  })
}

/** A response that ends in an error when its body is longer than `most` bytes. */
function bounded(response: Response, most: number, place: string): Response {
  if (response.body === null) return response
  let bytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.length
      if (bytes > most) throw new UserError(`the hub answered with more than ${most} bytes`, { place })
      controller.enqueue(chunk)
    }
  })
  return new Response(response.body.pipeThrough(counter), response)
}
