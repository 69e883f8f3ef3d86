import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { MUTATIONS, type Mutation } from './list'

/*
 * Do the tests notice? `npm run mutate` changes one line at a time, in copies of the project, and runs the nearest tests, which must fail.
 * `npm run mutate -- WORD` takes the mutations whose description or file holds the word. Exit code 0 when all are noticed.
 */

const ROOT = join(__dirname, '..')
const NEED_BUILD: readonly string[] = ['harness/cli/cli.test.ts', 'harness/nightly.test.ts']

/** A copy of the project, its packages linked, for one mutation at a time. */
function copyProject(dir: string): void {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  for (const file of list.toString().split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    cpSync(join(ROOT, file), join(dir, file))
  }
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  // Made by the build, and the same whatever is wrong.
  mkdirSync(join(dir, 'dist'))
  cpSync(join(ROOT, 'dist', 'tfjs-gradients.js'), join(dir, 'dist', 'tfjs-gradients.js'))
}

let running: ChildProcess[] = []

function run(dir: string, command: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    // A mutation may never end.
    const child = spawn(command, args, { cwd: dir, timeout: 300_000, env: { ...process.env, CI: 'true' } })
    running.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
    child.on('close', (code) => {
      running = running.filter((c) => c !== child)
      resolve({ code, output })
    })
  })
}

type Verdict = 'noticed' | 'SURVIVED' | 'BROKEN'

/** @returns the verdict, and for one that is not 'noticed' what the tests said */
async function tryMutation(dir: string, { file, find, replace, test, name }: Mutation): Promise<[Verdict, string]> {
  const path = join(dir, file)
  const original = readFileSync(path, 'utf8')
  const times = original.split(find).length - 1
  if (times !== 1) return ['BROKEN', `'${find}' occurs ${times} times in ${file}`]
  writeFileSync(
    path,
    original.replace(find, () => replace)
  )
  try {
    if (NEED_BUILD.includes(test)) {
      const built = await run(dir, 'npm', ['run', '--silent', 'build'])
      if (built.code !== 0) return ['BROKEN', built.output]
    }
    const filter = name === undefined ? [] : ['-t', name]
    const { output } = await run(dir, 'npx', ['jest', '--runInBand', '--colors=false', test, ...filter])
    const failed = Number(/^Tests:.* (\d+) failed/m.exec(output)?.[1] ?? 0)
    const passed = Number(/^Tests:.* (\d+) passed/m.exec(output)?.[1] ?? 0)
    if (failed > 0) return ['noticed', '']
    return [passed > 0 ? 'SURVIVED' : 'BROKEN', output]
  } finally {
    writeFileSync(path, original)
  }
}

async function main(): Promise<void> {
  const word = process.argv[2] ?? ''
  const chosen = MUTATIONS.filter((m) => `${m.wrong} ${m.file}`.includes(word))
  const folder = mkdtempSync(join(tmpdir(), 'bench-mutate-'))
  const bad: string[] = []
  const queue = [...chosen]
  let done = 0
  const lane = async (index: number) => {
    const dir = join(folder, String(index))
    copyProject(dir)
    for (let m = queue.shift(); m !== undefined; m = queue.shift()) {
      const [verdict, output] = await tryMutation(dir, m)
      done++
      console.log(`${String(done).padStart(3)}/${chosen.length} ${verdict.padEnd(8)} ${m.wrong} (${m.file})`)
      if (verdict !== 'noticed')
        bad.push(`${verdict} ${m.wrong} (${m.file})\n${output.split('\n').slice(-15).join('\n')}`)
    }
  }
  const stop = () => {
    for (const child of running) child.kill()
    rmSync(folder, { recursive: true, force: true })
    process.exit(130)
  }
  process.on('SIGINT', stop)
  const lanes = Math.min(availableParallelism(), 4, Math.max(1, chosen.length))
  await Promise.all(Array.from({ length: lanes }, (_, i) => lane(i)))
  rmSync(folder, { recursive: true, force: true })
  for (const text of bad) console.error(`\n${text}`)
  console.log(`${chosen.length - bad.length} of ${chosen.length} mutations noticed`)
  process.exitCode = bad.length === 0 && chosen.length > 0 ? 0 : 1
}

void main()
