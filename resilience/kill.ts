import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { packageRoot } from '../harness/package-root'
import { randomStream } from '../harness/random'

/*
 * Does a run survive? `npm run kill -- [--times 50] [--seed 1]` kills a run with SIGKILL at random moments, resumes it and compares its answers with
 * those of a run nobody touched; then damages run folders in every way we know of, and looks whether the program names them and its page is right.
 * Exit code 0 when all is as it should be.
 */

const PROGRAM = join(packageRoot(), 'dist', 'harness', 'cli', 'main.js')
const CONFIG = `models: [gptj-mini]
methods:
  - name: ft-l
  - name: rome
    hyperparameters: { context_template_length_params: [[3, 1]], v_num_grad_steps: 5 }
datasets:
  - name: zsre
limit: 6
shard_size: 1
store_edits: 1
workers: 1
`
const NAME = 'kill'

interface Ended {
  readonly code: number | null
  readonly output: string
}

/** Runs the program; `killAfter` ms later it and all its workers are gone. */
function bench(cwd: string, args: readonly string[], killAfter?: number): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd, detached: true })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
    const timer =
      killAfter === undefined ? undefined : setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), killAfter)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })
}

const foldersOf = (out: string): string[] =>
  existsSync(out)
    ? readdirSync(out)
        .filter((name) => name.startsWith(`${NAME}-`))
        .map((name) => join(out, name))
    : []

/** SHA-256 of the answers of the one run in a folder. */
function answersOf(out: string): string {
  const [run, ...more] = foldersOf(out)
  if (run === undefined || more.length > 0) throw new Error(`${more.length + 1} runs in ${out}, one was expected`)
  return createHash('sha256')
    .update(readFileSync(join(run, 'answers.arrow')))
    .digest('hex')
}

/** A way to damage a finished run. */
interface Damage {
  readonly name: string
  readonly damage: (run: string) => void
  /** What the program must say of the run, which its page leaves out; missing where the numbers stay sound and the run is shown. */
  readonly says?: RegExp
}

const DAMAGES: readonly Damage[] = [
  {
    name: 'answers.arrow emptied',
    damage: (run) => truncateSync(join(run, 'answers.arrow'), 0),
    says: /answers\.arrow/
  },
  {
    name: 'answers.arrow cut',
    damage: (run) => truncateSync(join(run, 'answers.arrow'), 3000),
    says: /answers\.arrow/
  },
  { name: 'a bit of answers.arrow flipped', damage: (run) => flip(join(run, 'answers.arrow')), says: /answers\.arrow/ },
  { name: 'a bit of edits.arrow flipped', damage: (run) => flip(join(run, 'edits.arrow')), says: /edits\.arrow/ },
  { name: 'answers.arrow missing', damage: (run) => rmSync(join(run, 'answers.arrow')), says: /answers\.arrow/ },
  {
    name: 'manifest.json emptied',
    damage: (run) => truncateSync(join(run, 'manifest.json'), 0),
    says: /manifest\.json/
  },
  { name: 'manifest.json cut', damage: (run) => truncateSync(join(run, 'manifest.json'), 100), says: /manifest\.json/ },
  { name: 'a manifest of another program', damage: manifest(() => ({ hello: 1 })), says: /manifest\.json/ },
  {
    name: 'a manifest of an older version',
    damage: manifest((m) => ({ ...m, format: 'bench-run-1' })),
    says: /manifest/
  },
  // A run is called by its folder.
  { name: 'an id that leads outside', damage: manifest((m) => ({ ...m, id: '../../escaped' })) },
  { name: 'a setting that leads outside', damage: manifest(escapingSetting), says: /manifest\.json does not have/ }
]

function flip(file: string): void {
  const bytes = readFileSync(file)
  bytes[bytes.length >> 1]! ^= 16
  writeFileSync(file, bytes)
}

type Json = Record<string, unknown>

function manifest(change: (json: Json) => Json): (run: string) => void {
  return (run) => {
    const file = join(run, 'manifest.json')
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')) as Json)))
  }
}

function escapingSetting(json: Json): Json {
  const settings = (json.settings as Json[]).map((s) => ({ ...s, id: `../../${String(s.id)}` }))
  return { ...json, settings }
}

/** Everything below a folder but a part of it, with sizes. */
const listing = (dir: string, without: string): string =>
  readdirSync(dir, { recursive: true })
    .map(String)
    .filter((file) => file !== without && !file.startsWith(`${without}/`))
    .sort()
    .join('\n')

async function main(args: readonly string[]): Promise<void> {
  const options = { times: { type: 'string', default: '50' }, seed: { type: 'string', default: '1' } } as const
  const { values } = parseArgs({ args: [...args], options })
  const [times, seed] = [Number(values.times), Number(values.seed)]
  const box = mkdtempSync(join(tmpdir(), 'bench-kill-'))
  writeFileSync(join(box, `${NAME}.yaml`), CONFIG)
  const run = (out: string, ...more: string[]) => ['run', `${NAME}.yaml`, '--out', out, ...more]
  const failures: string[] = []
  const check = (what: string, problem: string | undefined) => {
    console.log(`${problem === undefined ? 'ok    ' : 'FAILED'} ${what}${problem === undefined ? '' : `: ${problem}`}`)
    if (problem !== undefined) failures.push(what)
  }

  const start = performance.now()
  const untouched = await bench(box, run('untouched'))
  if (untouched.code !== 0) throw new Error(`the run failed by itself:\n${untouched.output}`)
  const ms = performance.now() - start
  const wanted = answersOf(join(box, 'untouched'))
  console.log(`a run nobody touches takes ${(ms / 1000).toFixed(1)} s; its answers are ${wanted.slice(0, 12)}`)

  const limit = pLimit(availableParallelism())
  const kill = async (i: number) => {
    const out = `killed-${i}`
    const random = randomStream(seed, 'kill', i)
    const after: string[] = []
    // Every third run is killed twice, the second time while it resumes.
    for (let n = i % 3 === 0 ? 2 : 1; n > 0; n--) {
      const at = random.uniform() * ms * 1.1
      after.push(`${(at / 1000).toFixed(2)} s`)
      await bench(box, run(out, '--resume'), at)
    }
    const { code, output } = await bench(box, run(out, '--resume'))
    let problem = code === 0 ? undefined : `exit code ${code}: ${output.slice(-500)}`
    if (problem === undefined && answersOf(join(box, out)) !== wanted) problem = 'other answers'
    check(`killed after ${after.join(' and ')}`, problem)
    if (problem === undefined) rmSync(join(box, out), { recursive: true })
  }
  await Promise.all(Array.from({ length: times }, (_, i) => limit(() => kill(i))))

  const damage = async ({ name, damage: spoil, says }: Damage, i: number) => {
    const own = join(box, `damaged-${i}`)
    const out = join(own, 'runs')
    mkdirSync(out, { recursive: true })
    const [sound] = foldersOf(join(box, 'untouched'))
    // Beside a sound run, under a name of its own.
    cpSync(sound!, join(out, sound!.slice(sound!.lastIndexOf('/') + 1)), { recursive: true })
    const spoilt = join(out, `${NAME}-000000000000`)
    cpSync(sound!, spoilt, { recursive: true })
    manifest((m) => ({ ...m, id: `${NAME}-000000000000` }))(spoilt)
    spoil(spoilt)
    const before = listing(own, 'runs/report')
    const { code, output } = await bench(own, ['report', '--out', 'runs'])
    const page = join(out, 'report', 'index.html')
    const problem =
      code !== 0
        ? `exit code ${code}: ${output.slice(-500)}`
        : says !== undefined && !says.test(output)
          ? `nothing is said of it: ${output}`
          : listing(own, 'runs/report') !== before
            ? 'files outside the report came or went'
            : !existsSync(page) || !readFileSync(page, 'utf8').includes('ROME')
              ? 'the page lacks the sound run'
              : says !== undefined && readFileSync(page, 'utf8').includes(`${NAME}-000000000000`)
                ? 'the page shows the damaged run'
                : undefined
    check(name, problem)
  }
  await Promise.all(DAMAGES.map((d, i) => limit(() => damage(d, i))))

  // A shard that was damaged while the run lay still is computed again.
  const shards: [string, (file: string) => void][] = [
    ['emptied', (file) => truncateSync(file, 0)],
    ['cut', (file) => truncateSync(file, 500)],
    ['changed in one bit', flip],
    ['removed', rmSync]
  ]
  const spoilShard = async ([name, spoil]: (typeof shards)[number], i: number) => {
    const out = join(box, `shard-${i}`)
    let files: string[] = []
    for (let at = ms / 2; files.length === 0 && at < 4 * ms; at += ms / 8) {
      rmSync(out, { recursive: true, force: true })
      await bench(box, run(out), at)
      files = foldersOf(out).flatMap((dir) =>
        readdirSync(dir, { recursive: true })
          .map(String)
          .filter((file) => /shards?[/].*answers\.arrow$/.test(file))
          .map((file) => join(dir, file))
      )
    }
    for (const file of files) spoil(file)
    const { code, output } = await bench(box, run(out, '--resume'))
    const right = code === 0 && files.length > 0 && answersOf(out) === wanted
    check(`${files.length} stored shards ${name}`, right ? undefined : `exit code ${code}: ${output.slice(-500)}`)
  }
  await Promise.all(shards.map((s, i) => limit(() => spoilShard(s, i))))

  console.log(`\n${failures.length} failures`)
  if (failures.length === 0) rmSync(box, { recursive: true, force: true })
  else console.log(`what is left of them: ${box}`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

void main(process.argv.slice(2))
