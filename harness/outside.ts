import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { UserError } from './errors'
import { importModule } from './import'
import { sha256 } from './sha256'

/*
 * Methods and datasets from outside the project: files, or packages that are installed beside a config. Their code runs as the user's own does.
 */

/** Code that a config names. */
export interface OutsideModule {
  /** Absolute. */
  readonly file: string
  /** Of the file itself, not of what it imports. */
  readonly hash: string
}

/** A file, `./my-method.mjs`; anything else that is not known here may be a package. */
const isFile = (name: string): boolean => /^(\.{1,2}[\\/]|[\\/]|[A-Za-z]:[\\/])/.test(name)

/**
 * Where a name of a config leads outside the project; undefined when it leads nowhere and is no file.
 * @param from folder that files are relative to, and that packages are looked up from
 * @throws UserError when it is a file that is not there, or a package that cannot be loaded
 */
export function findOutside(name: string, from: string): OutsideModule | undefined {
  if (isFile(name)) {
    const file = resolve(from, name)
    if (!existsSync(file) || !statSync(file).isFile())
      throw new UserError(`no such file: ${name}`, { hint: `files are relative to the config: ${file}` })
    return { file, hash: sha256(readFileSync(file)) }
  }
  try {
    const file = createRequire(join(resolve(from), 'config.js')).resolve(name)
    // A name of Node's own modules resolves to itself.
    return existsSync(file) ? { file, hash: sha256(readFileSync(file)) } : undefined
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'MODULE_NOT_FOUND') return undefined
    throw new UserError(`the package '${name}' cannot be loaded: ${(error as Error).message}`)
  }
}

/** What a module exports as its default. @throws UserError when it cannot be loaded, or is another one than was planned */
export async function importDefault({ file, hash }: OutsideModule): Promise<unknown> {
  if (sha256(readFileSync(file)) !== hash)
    throw new UserError('the file changed during the run', { place: file, hint: 'start the run anew' })
  let loaded: { readonly default?: unknown }
  try {
    loaded = await importModule(file)
  } catch (error) {
    throw new UserError(`cannot be loaded: ${(error as Error).message}`, { place: file, cause: error })
  }
  // A CommonJS module that was compiled from an ES module has its default inside.
  const value = loaded.default as { readonly default?: unknown } | undefined
  const inner = typeof value === 'object' && value !== null && 'default' in value ? value.default : value
  if (inner !== undefined) return inner
  throw new UserError('exports nothing as its default', { place: file, hint: 'export default defineMethod({ … })' })
}
