import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The package's root: where package.json lies, whether the code runs from its sources or compiled. */
export function packageRoot(): string {
  for (let dir = __dirname; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json')
    if (
      existsSync(file) &&
      (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'model-editing-bench'
    )
      return dir
    if (dir === dirname(dir)) throw new Error('package.json of model-editing-bench not found')
  }
}
