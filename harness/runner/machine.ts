import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, homedir, totalmem } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../package-root'

/** What decides how fast things are, and under which release. */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version
  }
}

export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version
}

/** The commit this package runs from, where it is a git checkout. */
export function gitCommit(): string | undefined {
  const root = packageRoot()
  if (!existsSync(join(root, '.git'))) return undefined
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  } catch {
    return undefined
  }
}

/** Folder for what outlives a run: BENCH_CACHE, or the user's cache folder. */
export function cacheDir(): string {
  const { BENCH_CACHE, XDG_CACHE_HOME } = process.env
  return BENCH_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'model-editing-bench')
}
