import { createHash, type Hash } from 'node:crypto'
import { closeSync, createReadStream, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { UserError } from '../errors'
import { makeFolder } from '../replace'
import { CachedRepository, type Repository } from './cache'
import type { HubClient, RemoteFile } from './client'
import { CutOff, mayPass, PassingStatus, SILENCE_MS } from './patience'

/** A connection that brought so much was a good one: its end does not count as a failure. */
const GOOD_BYTES = 16 * 2 ** 20

/**
 * Brings one file into the cache: goes on where an earlier download stopped, tries again when the connection is cut, takes no
 * more than the size the repository gives and only what has its checksum. (`downloadFileToCacheDir` of @huggingface/hub lays the
 * cache out the same way and does none of these.)
 * @throws UserError when the server keeps sending something else
 */
export async function downloadFile(
  client: HubClient,
  repository: Repository,
  commit: string,
  file: RemoteFile,
  onBytes: (bytes: number) => void = () => {}
): Promise<void> {
  const blob = new CachedRepository(repository).blob(file.etag)
  if (sizeOf(blob) === file.bytes) return
  const partial = `${blob}.incomplete`
  makeFolder(dirname(blob))
  let mismatches = 0
  await client.patiently(repository, commit, async (progressed) => {
    const before = sizeOf(partial)
    try {
      for (;;) {
        const hash = await receive(client, repository, commit, file, partial, onBytes)
        if (hash === file.etag) return renameSync(partial, blob)
        rmSync(partial, { force: true })
        // A partial file of an earlier time may be at fault once, a server that sends it twice is.
        if (++mismatches > 1) throw mismatch(repository, file, hash)
      }
    } catch (error) {
      if (sizeOf(partial) - before >= GOOD_BYTES) progressed()
      throw mayPass(error) && !(error instanceof PassingStatus) ? new CutOff(file.path, error) : error
    }
  })
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0

const mismatch = ({ name }: Repository, { path, etag }: RemoteFile, hash: string) =>
  new UserError(`${path} does not have the checksum the repository gives`, {
    place: name,
    hint: `expected ${etag}, received ${hash}; nothing of it was kept. Is a mirror or a proxy changing it?`
  })

/** Adds what is missing of a partial file. @returns the checksum of the whole */
async function receive(
  client: HubClient,
  repository: Repository,
  commit: string,
  file: RemoteFile,
  partial: string,
  onBytes: (bytes: number) => void
): Promise<string> {
  let size = sizeOf(partial)
  if (size > file.bytes) {
    rmSync(partial)
    size = 0
  }
  const hash = hashFor(file)
  if (size > 0) for await (const chunk of createReadStream(partial)) hash.update(chunk as Buffer)
  onBytes(size)
  if (size === file.bytes && size > 0) return hash.digest('hex')
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error('the server fell silent')), SILENCE_MS)
  try {
    const response = await client.open(repository, commit, file.path, size, silence.signal)
    // A server that ignores the range sends all of it again.
    if (size > 0 && response.status !== 206) {
      await response.body?.cancel()
      rmSync(partial)
      return await receive(client, repository, commit, file, partial, onBytes)
    }
    const fd = openSync(partial, size > 0 ? 'a' : 'w')
    try {
      for await (const chunk of response.body ?? []) {
        timer.refresh()
        size += chunk.length
        if (size > file.bytes) throw tooLong(repository, file, partial)
        for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done)
        hash.update(chunk)
        onBytes(size)
      }
    } finally {
      closeSync(fd)
    }
  } finally {
    clearTimeout(timer)
  }
  if (size < file.bytes) throw new Error(`${size} of ${file.bytes} bytes arrived`)
  return hash.digest('hex')
}

function tooLong({ name }: Repository, { path, bytes }: RemoteFile, partial: string): UserError {
  rmSync(partial, { force: true })
  return new UserError(`the server sends more of ${path} than the ${bytes} bytes the repository gives`, {
    place: name,
    hint: 'nothing of it was kept. Is a mirror or a proxy changing it?'
  })
}

/** SHA-256 for large files; git's own, SHA-1 over a header and the content, for small ones. */
function hashFor({ etag, bytes }: RemoteFile): Hash {
  return etag.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${bytes}\0`)
}
