import { types } from 'node:util'
import { UserError } from '../errors'
import { COMMIT, hubToken, type Repository } from './cache'

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

/** Waits between attempts, in ms; doubled each time. */
export interface Patience {
  readonly attempts: number
  readonly firstWaitMs: number
}
export const PATIENCE: Patience = { attempts: 5, firstWaitMs: 1000 }

/** Statuses that pass by themselves. */
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504])
/** A server that says nothing for so long is gone. */
const SILENCE_MS = 60_000

/** The hub's API through its own client, at HF_ENDPOINT where that is set. The token is sent, and never shown. */
export class HubClient {
  readonly endpoint: string
  readonly #token: string | undefined
  readonly #patience: Patience
  readonly #onRetry: (reason: string) => void

  constructor({
    patience = PATIENCE,
    onRetry = () => {}
  }: { patience?: Patience; onRetry?: (reason: string) => void } = {}) {
    this.endpoint = (process.env.HF_ENDPOINT ?? 'https://huggingface.co').replace(/\/+$/, '')
    this.#token = hubToken()
    this.#patience = patience
    this.#onRetry = onRetry
  }

  /** The files of a revision, and the commit it stands for now. */
  async tree(repository: Repository, revision: string): Promise<RemoteTree> {
    const { datasetInfo, listFiles, modelInfo } = await import('@huggingface/hub')
    const shared = {
      hubUrl: this.endpoint,
      fetch: this.#fetch,
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
        const etag = entry.lfs?.oid ?? entry.oid
        if (entry.type === 'file' && etag !== undefined)
          files.push({ path: entry.path, bytes: entry.lfs?.size ?? entry.size, etag })
      }
      return { commit: sha, files }
    } catch (error) {
      throw this.#explained(error, repository, revision)
    }
  }

  /** The bytes of a file from `start` on. */
  async open(repository: Repository, commit: string, path: string, start: number): Promise<Response> {
    const prefix = repository.type === 'model' ? '' : 'datasets/'
    const place = path.split('/').map(encodeURIComponent).join('/')
    const url = `${this.endpoint}/${prefix}${repository.name}/resolve/${commit}/${place}`
    const headers = {
      ...(start > 0 ? { Range: `bytes=${start}-` } : {}),
      // What is compressed on the way cannot be gone on with.
      'Accept-Encoding': 'identity',
      ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` })
    }
    const response = await this.#fetch(url, { headers })
    if (!response.ok) throw this.#explained({ statusCode: response.status }, repository, commit)
    return response
  }

  /** `fetch` that waits and tries again where that may help. */
  readonly #fetch: typeof fetch = async (input, init) => {
    const { attempts, firstWaitMs } = this.#patience
    for (let attempt = 1; ; attempt++) {
      const wait = firstWaitMs * 2 ** (attempt - 1)
      try {
        const response = await fetch(input, { ...init, signal: AbortSignal.timeout(SILENCE_MS) })
        if (!TRANSIENT.has(response.status) || attempt === attempts) return response
        const asked = Number(response.headers.get('retry-after')) * 1000
        await response.body?.cancel()
        this.#onRetry(`the server answered ${response.status}`)
        await pause(Number.isFinite(asked) && asked > 0 ? Math.min(asked, 60 * firstWaitMs) : wait)
      } catch (error) {
        if (attempt === attempts) throw error
        this.#onRetry('the connection failed')
        await pause(wait)
      }
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
    if (error instanceof UserError || !types.isNativeError(error)) return error
    const reason = types.isNativeError(error.cause) ? error.cause.message : error.message
    return bad(
      `the hub at ${this.endpoint} cannot be reached: ${reason}`,
      'check the network, or name a mirror by HF_ENDPOINT; with --offline nothing but the cache is used'
    )
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
