import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../package-root'
import { replaceWhole } from '../replace'

/**
 * What was made of something before: the same question, put in the same company, has the same answer to the last bit, since batches are cut the same.
 * @param items all that decides the answer, but for what the memory itself stands for
 */
export type Remember = <T>(what: string, items: unknown, make: () => T) => T

export const forgetful: Remember = (_what, _items, make) => make()

/**
 * A memory on disk.
 * @param of what everything in it depends on: the model, the backend, the code
 */
export function rememberOnDisk(dir: string, of: readonly unknown[]): Remember {
  return (what, items, make) => {
    const key = createHash('sha256')
      .update(JSON.stringify([of, what, items]))
      .digest('hex')
    const file = join(dir, `${key}.json`)
    const known = readChecked(file)
    if (known !== undefined) return JSON.parse(known)
    const made = make()
    const text = JSON.stringify(made)
    // Whoever cannot write can still compute.
    try {
      replaceWhole(file, (fresh) => writeFileSync(fresh, `${digest(text)}\n${text}`))
    } catch {}
    return made
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What a file holds, undefined when it is missing or not as it was written. */
function readChecked(file: string): string | undefined {
  let content: string
  try {
    content = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  const text = content.slice(content.indexOf('\n') + 1)
  return content.startsWith(`${digest(text)}\n`) ? text : undefined
}

let code: string | undefined

/** Names the code that answers come from: every module of the package, as it is on the disk. */
export function codeHash(): string {
  if (code !== undefined) return code
  const hash = createHash('sha256')
  const root = join(__dirname, '..')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.test|\.d)\.(js|ts)$/.test(name)
  )
  for (const name of files.sort()) hash.update(name).update(readFileSync(join(root, name)))
  hash.update(readFileSync(join(packageRoot(), 'package.json')))
  code = hash.digest('hex')
  return code
}
