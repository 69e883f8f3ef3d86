import { existsSync, lstatSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { UserError } from '../errors'
import { makeFolder } from '../replace'

/** A repository of the hub: `ORG/NAME`, a model unless it begins with `datasets/`. */
export interface Repository {
  readonly type: 'model' | 'dataset'
  readonly name: string
}

/** `ORG/NAME`, `datasets/ORG/NAME`, either with `@REVISION`. Undefined for anything else. */
export function parseRepository(text: string): { repository: Repository; revision?: string } | undefined {
  const match = /^(datasets\/)?([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?$/.exec(text)
  if (match === null) return undefined
  const [, dataset, name, revision] = match
  const repository: Repository = { type: dataset === undefined ? 'model' : 'dataset', name: name! }
  return { repository, ...(revision === undefined ? {} : { revision }) }
}

export const COMMIT = /^[0-9a-f]{40}$/

/** Where the Hugging Face libraries keep what they need: HF_HOME. */
const hubHome = (): string => {
  const { HF_HOME, XDG_CACHE_HOME } = process.env
  return HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface')
}

/** Where they keep their downloads. */
export const hubCache = (): string => process.env.HF_HUB_CACHE ?? join(hubHome(), 'hub')

/** HF_TOKEN, or what `huggingface-cli login` stored. */
export function hubToken(): string | undefined {
  const { HF_TOKEN, HF_TOKEN_PATH } = process.env
  const file = HF_TOKEN_PATH ?? join(hubHome(), 'token')
  const token = HF_TOKEN ?? (existsSync(file) ? readFileSync(file, 'utf8') : '')
  return token.trim() === '' ? undefined : token.trim()
}

/** The folder of a repository in the cache, laid out as the Hugging Face libraries do: blobs/, refs/, snapshots/. */
export class CachedRepository {
  readonly dir: string

  constructor({ type, name }: Repository) {
    this.dir = join(hubCache(), `${type}s--${name.replace('/', '--')}`)
  }

  blob(etag: string): string {
    return join(this.dir, 'blobs', etag)
  }

  snapshot(commit: string): string {
    return join(this.dir, 'snapshots', commit)
  }

  /** The commit a revision stood for when it was last fetched. */
  commitOf(revision: string): string | undefined {
    if (COMMIT.test(revision)) return existsSync(this.snapshot(revision)) ? revision : undefined
    const file = join(this.dir, 'refs', revision)
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined
  }

  refFile(revision: string): string {
    return join(this.dir, 'refs', revision)
  }

  /** Puts a file of a snapshot in its place: a link to its blob. */
  link(commit: string, path: string, etag: string): string {
    const root = this.snapshot(commit)
    const at = join(root, path)
    // The list of files comes from the network.
    if (relative(root, at).startsWith('..') || path.includes('\\')) {
      throw new UserError(`the repository names a file outside of itself: ${path}`, { place: this.dir })
    }
    makeFolder(dirname(at))
    const fresh = `${at}.${process.pid}.new`
    rmSync(fresh, { force: true })
    symlinkSync(relative(dirname(at), this.blob(etag)), fresh)
    renameSync(fresh, at)
    return at
  }

  /** Whether a file of a snapshot is there, and not just a link to nothing. */
  has(commit: string, path: string): boolean {
    const at = join(this.snapshot(commit), path)
    return lstatSync(at, { throwIfNoEntry: false }) !== undefined && existsSync(at)
  }
}
