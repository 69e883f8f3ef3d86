import { closeSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'

/** A lock whose owner has not been heard of for so long belongs to nobody. */
const FORGOTTEN_MS = 120_000
const HEARTBEAT_MS = 15_000

interface Owner {
  readonly pid: number
  readonly host: string
}

/** Keeps other processes from working on the same run. */
export class RunLock {
  readonly #file: string
  readonly #heartbeat: NodeJS.Timeout

  /** @throws UserError when another process works on it */
  constructor(dir: string) {
    this.#file = join(dir, 'run.lock')
    acquire(this.#file, dir)
    this.#heartbeat = setInterval(() => touch(this.#file), HEARTBEAT_MS)
    this.#heartbeat.unref()
  }

  release(): void {
    clearInterval(this.#heartbeat)
    rmSync(this.#file, { force: true })
  }
}

function acquire(file: string, dir: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      const fd = openSync(file, 'wx')
      writeSync(fd, JSON.stringify({ pid: process.pid, host: hostname() } satisfies Owner))
      closeSync(fd)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt > 2) throw error
    }
    const owner = ownerOf(file)
    if (owner !== undefined && isAlive(owner, file)) {
      const { pid, host } = owner
      throw new UserError(`another process works on this run (process ${pid} on ${host})`, {
        place: dir,
        hint: `wait until it has finished, or stop it; if there is no such process, delete ${file}`
      })
    }
    rmSync(file, { force: true })
  }
}

function ownerOf(file: string): Owner | undefined {
  try {
    const { pid, host } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Owner>
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined
  } catch {
    return undefined
  }
}

function isAlive({ pid, host }: Owner, file: string): boolean {
  const heard = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (Date.now() - heard > FORGOTTEN_MS) return false
  // Of a process of another machine its heartbeat is all there is.
  if (host !== hostname()) return true
  if (pid === process.pid) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function touch(file: string): void {
  const now = new Date()
  try {
    utimesSync(file, now, now)
  } catch {
    // The folder is gone; so is the work.
  }
}
