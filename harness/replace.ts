import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a file or folder under a temporary name beside it and moves it to its place when it is whole: readers see the old one or the
 * new one, and a failure (a full disk, a kill) leaves nothing half-written behind.
 * @param make writes to the path it is given
 */
export function replaceWhole(target: string, make: (temporary: string) => void): void {
  // Another process may be writing the same: the last rename wins.
  const temporary = `${target}.${process.pid}.new`
  mkdirSync(dirname(target), { recursive: true })
  try {
    make(temporary)
    // A folder cannot be renamed onto another one.
    if (statSync(target, { throwIfNoEntry: false })?.isDirectory()) rmSync(target, { recursive: true })
    renameSync(temporary, target)
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    // Node names the file of a failed open, but not of a failed write.
    if (error instanceof Error && 'code' in error && !('path' in error)) Object.assign(error, { path: target })
    throw error
  }
}
