import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * Makes a file or folder under a temporary name beside it and moves it to its place when it is whole and on the disk: readers see the old one or the
 * new one, and a failure (a full disk, a kill, a power cut) leaves nothing half-written behind.
 * @param make writes to the path it is given
 */
export function replaceWhole(target: string, make: (temporary: string) => void): void {
  // Another process may be writing the same: the last rename wins.
  const temporary = `${target}.${process.pid}.new`
  makeFolder(dirname(target))
  try {
    make(temporary)
    syncTree(temporary)
    // A folder cannot be renamed onto another one.
    if (statSync(target, { throwIfNoEntry: false })?.isDirectory()) rmSync(target, { recursive: true })
    renameSync(temporary, target)
    sync(dirname(target))
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    // Node names the file of a failed open, but not of a failed write.
    if (error instanceof Error && 'code' in error && !('path' in error)) Object.assign(error, { path: target })
    throw error
  }
}

/**
 * Makes a folder and those it lies in, where they are missing. (Node's own `recursive` never ends in places where nothing can be made, such as
 * /proc.)
 */
export function makeFolder(dir: string): void {
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return
  try {
    mkdirSync(dir)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && statSync(dir).isDirectory()) return
    if (code !== 'ENOENT' || dirname(dir) === dir) throw error
    makeFolder(dirname(dir))
    mkdirSync(dir)
  }
}

function syncTree(path: string): void {
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) syncTree(join(path, name))
  sync(path)
}

/** Some systems cannot open folders; there the rename alone has to do. */
function sync(path: string): void {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch {
    return
  }
  try {
    fsyncSync(fd)
  } catch (error) {
    // Not every file system syncs everything; a disk that fails says EIO or ENOSPC.
    if (['EIO', 'ENOSPC', 'EDQUOT'].includes(String((error as NodeJS.ErrnoException).code))) throw error
  } finally {
    closeSync(fd)
  }
}
