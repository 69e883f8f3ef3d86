import { createHash, type Hash } from 'node:crypto'
import { closeSync, createReadStream, existsSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { types } from 'node:util'
import { UserError } from '../errors'
import { makeFolder } from '../replace'
import { CachedRepository, type Repository } from './cache'
import { type HubClient, PATIENCE, type Patience, pause, type RemoteFile } from './client'

export interface DownloadOptions {
  readonly patience?: Patience
  /** Bytes of this file that are here. */
  readonly onBytes?: (bytes: number) => void
}

/**
 * Brings one file into the cache: goes on where an earlier download stopped, tries again when the connection is cut, and takes
 * only what has the checksum the repository gives.
 * @throws UserError when the server keeps sending something else
 */
export async function downloadFile(
  client: HubClient,
  repository: Repository,
  commit: string,
  file: RemoteFile,
  { patience = PATIENCE, onBytes = () => {} }: DownloadOptions = {}
): Promise<void> {
  const blob = new CachedRepository(repository).blob(file.etag)
  if (existsSync(blob)) return
  const partial = `${blob}.incomplete`
  makeFolder(dirname(blob))
  let mismatches = 0
  for (let attempt = 1; ; attempt++) {
    try {
      const hash = await receive(client, repository, commit, file, partial, onBytes)
      if (hash === file.etag) {
        renameSync(partial, blob)
        return
      }
      rmSync(partial, { force: true })
      // A partial file of an earlier time may be at fault once, a server that sends it twice is.
      if (++mismatches > 1) {
        throw new UserError(`${file.path} does not have the checksum the repository gives`, {
          place: repository.name,
          hint: `expected ${file.etag}, received ${hash}; nothing of it was kept. Is a mirror or a proxy changing it?`
        })
      }
    } catch (error) {
      if (error instanceof UserError || isFileError(error)) throw error
      if (attempt >= patience.attempts) {
        const { message, cause } = error as Error
        throw new UserError(
          `the download of ${file.path} was cut off ${attempt} times: ${types.isNativeError(cause) ? cause.message : message}`,
          {
            place: repository.name,
            hint: 'run it again: it goes on where it stopped'
          }
        )
      }
      await pause(patience.firstWaitMs * 2 ** (attempt - 1))
    }
  }
}

/** A full disk is no fault of the network. */
const isFileError = (error: unknown): boolean =>
  types.isNativeError(error) &&
  ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS'].includes(String((error as NodeJS.ErrnoException).code))

/** Adds what is missing of a partial file. @returns the checksum of the whole */
async function receive(
  client: HubClient,
  repository: Repository,
  commit: string,
  file: RemoteFile,
  partial: string,
  onBytes: (bytes: number) => void
): Promise<string> {
  let size = statSync(partial, { throwIfNoEntry: false })?.size ?? 0
  if (size > file.bytes) {
    rmSync(partial)
    size = 0
  }
  const hash = hashFor(file)
  if (size > 0) for await (const chunk of createReadStream(partial)) hash.update(chunk as Buffer)
  onBytes(size)
  if (size === file.bytes && size > 0) return hash.digest('hex')
  const response = await client.open(repository, commit, file.path, size)
  // A server that ignores the range sends all of it again.
  if (size > 0 && response.status !== 206) {
    await response.body?.cancel()
    rmSync(partial)
    return receive(client, repository, commit, file, partial, onBytes)
  }
  const fd = openSync(partial, size > 0 ? 'a' : 'w')
  try {
    for await (const chunk of response.body ?? []) {
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done)
      hash.update(chunk)
      size += chunk.length
      onBytes(size)
    }
  } finally {
    closeSync(fd)
  }
  if (size < file.bytes) throw new Error(`${size} of ${file.bytes} bytes arrived`)
  return hash.digest('hex')
}

/** SHA-256 for large files; git's own, SHA-1 over a header and the content, for small ones. */
function hashFor({ etag, bytes }: RemoteFile): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`)
}
