import { existsSync, lstatSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { UserError } from '../errors'
import { makeFolder } from '../replace'

/** A repository of the hub: `ORG/NAME`, a model unless it begins with `datasets/`. */
export interface Repository {
  readonly type: 'model' | 'dataset'
  readonly name: string
}

/** What git allows of a branch's or tag's name, as far as it stays below refs/: no part is empty or begins with a dot. */
const REVISION = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/

/** @throws UserError for what is neither branch, tag nor commit */
export function checkRevision(revision: string): string {
  if (revision.length <= 200 && REVISION.test(revision) && !revision.includes('..')) return revision
  throw new UserError(`'${revision.slice(0, 60)}' is no revision`, {
    hint: 'a revision is a branch, a tag or a commit: letters, digits, _ - . and / between them'
  })
}

/** `ORG/NAME`, `datasets/ORG/NAME`, either with `@REVISION`. Undefined for anything else. */
export function parseRepository(text: string): { repository: Repository; revision?: string } | undefined {
  const match = /^(datasets\/)?([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+))?$/.exec(text)
  if (match === null) return undefined
  const [, dataset, name, revision] = match
  const repository: Repository = { type: dataset === undefined ? 'model' : 'dataset', name: name! }
  return { repository, ...(revision === undefined ? {} : { revision }) }
}

/** Name of a blob: SHA-256 of large files, git's SHA-1 of small ones. */
export const ETAG = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
export const COMMIT = /^[0-9a-f]{40}$/

/** Where the Hugging Face libraries keep what they need: HF_HOME. */
const hubHome = (): string => {
  const { HF_HOME, XDG_CACHE_HOME } = process.env
  return HF_HOME ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface')
}

/** Where they keep their downloads. */
export const hubCache = (): string => process.env.HF_HUB_CACHE ?? join(hubHome(), 'hub')

/**
 * HF_TOKEN, or what `huggingface-cli login` stored.
 * @throws UserError, without showing it, when it holds what no header may
 */
export function hubToken(): string | undefined {
  const { HF_TOKEN, HF_TOKEN_PATH } = process.env
  const file = HF_TOKEN_PATH ?? join(hubHome(), 'token')
  const token = (HF_TOKEN ?? (existsSync(file) ? readFileSync(file, 'utf8') : '')).trim()
  if (token === '') return undefined
  if (/^[\x21-\x7e]+$/.test(token)) return token
  throw new UserError('the token holds a line break, a blank or another character that no token has', {
    place: HF_TOKEN === undefined ? file : 'HF_TOKEN',
    hint: 'copy it again from https://huggingface.co/settings/tokens'
  })
}

/** The folder of a repository in the cache, laid out as the Hugging Face libraries do: blobs/, refs/, snapshots/. */
export class CachedRepository {
  readonly dir: string

  constructor({ type, name }: Repository) {
    this.dir = join(hubCache(), `${type}s--${name.replace('/', '--')}`)
  }

  blob(etag: string): string {
    if (!ETAG.test(etag)) throw new UserError('the repository gives a file no valid checksum', { place: this.dir })
    return join(this.dir, 'blobs', etag)
  }

  snapshot(commit: string): string {
    return join(this.dir, 'snapshots', commit)
  }

  /** The commit a revision stood for when it was last fetched. */
  commitOf(revision: string): string | undefined {
    if (COMMIT.test(revision)) return existsSync(this.snapshot(revision)) ? revision : undefined
    const file = this.refFile(revision)
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return undefined
    const commit = readFileSync(file, 'utf8').trim()
    return COMMIT.test(commit) ? commit : undefined
  }

  refFile(revision: string): string {
    return join(this.dir, 'refs', checkRevision(revision))
  }

  /** Puts a file of a snapshot in its place: a link to its blob. */
  link(commit: string, path: string, etag: string): string {
    const at = join(this.snapshot(commit), path)
    // The list of files comes from the network.
    if (/[\\\0]/.test(path) || path.split('/').some((part) => ['', '.', '..'].includes(part))) {
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
