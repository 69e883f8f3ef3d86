import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../package-root'

/** The program a user runs: dist/, made by `npm run build`. */
export const PROGRAM = join(packageRoot(), 'dist', 'harness', 'cli', 'main.js')

/** A config of a few edits. */
export const SMALL = `models: [gptj-mini]
methods:
  - name: rome
    hyperparameters: { context_template_length_params: [[3, 1]], v_num_grad_steps: 8 }
datasets:
  - name: zsre
limit: 8
shard_size: 2
store_edits: 1
workers: 2
`

export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** For end-to-end tests: the program in a fresh folder for every test. */
export function useProgram() {
  let dir: string
  beforeAll(() => {
    if (!existsSync(PROGRAM)) throw new Error('dist/ is missing: run `npm run build` first, as `npm test` does')
  })
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'bench-cli-'))
  })
  afterEach(() => rmSync(dir, { recursive: true, force: true }))
  const inFolder = (...parts: string[]): string => join(dir, ...parts)
  return {
    inFolder,
    bench: (...args: string[]): Promise<Ended> =>
      new Promise((resolve) => {
        execFile(
          process.execPath,
          [PROGRAM, ...args],
          { cwd: dir, env: process.env, maxBuffer: 1e8 },
          (error, stdout, stderr) => {
            resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
          }
        )
      }),
    /** Writes my.yaml. */
    config: (text: string): string => {
      writeFileSync(inFolder('my.yaml'), text)
      return inFolder('my.yaml')
    }
  }
}
