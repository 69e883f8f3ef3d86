import { fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pLimit from 'p-limit'
import { attack, type Finding } from './attack'
import { TARGETS } from './targets'

/*
 * Damaged and hostile inputs of every kind the program reads: `npm run fuzz -- --seconds 60 [--seed 1] [KIND...]`. Each kind in a process of its own,
 * which is killed when one input keeps it busy. Exit code 0 when every input was read or refused by one message.
 */

/** From a child to its parent. */
type Message = { readonly input: number } | { readonly finding: Finding }

const HANG_MS = 60_000
const MEMORY_MB = 1024

interface Result {
  readonly inputs: number
  readonly findings: readonly Finding[]
}

/** @returns what a kind of input did in `seconds` */
async function fuzz(name: string, seed: number, seconds: number, box: string): Promise<Result> {
  const findings: Finding[] = []
  const end = performance.now() + seconds * 1000
  let inputs = 0
  // A child that dies goes on after the input that killed it.
  for (let from = 0; performance.now() < end; ) {
    const left = (end - performance.now()) / 1000
    const child = fork(__filename, [name, String(seed), String(from), String(left), box], {
      execArgv: [...process.execArgv, `--max-old-space-size=${MEMORY_MB}`],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc']
    })
    let [hung, said] = [false, '']
    child.stderr!.on('data', (text) => (said = `${said}${text}`.slice(-2000)))
    const hang = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, HANG_MS)
    let last = from - 1
    child.on('message', (message: Message) => {
      hang.refresh()
      if ('finding' in message) findings.push(message.finding)
      else {
        last = message.input
        inputs++
      }
    })
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.on('exit', (c, s) => resolve([c, s]))
    )
    clearTimeout(hang)
    if (code === 0) break
    const what = hung ? `it was busy for ${HANG_MS / 1000} seconds` : `the process died (${signal ?? code}): ${said}`
    findings.push({ target: name, input: last, what, dir: join(box, 'in') })
    if (last < from) break
    from = last + 1
  }
  return { inputs, findings }
}

async function child([name, seed, from, seconds, box]: string[]): Promise<void> {
  const target = TARGETS.find((t) => t.name === name)!
  const end = performance.now() + Number(seconds) * 1000
  process.chdir(box!)
  const send = (message: Message) => process.send!(message)
  const where = { box: box!, seed: Number(seed), from: Number(from) }
  for await (const finding of attack(target, where, (input) => send({ input }))) {
    if (finding !== undefined) send({ finding })
    if (performance.now() > end) break
  }
  process.disconnect()
}

async function main(args: readonly string[]): Promise<void> {
  const options = { seconds: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } } as const
  const { values, positionals: kinds } = parseArgs({ args: [...args], options, allowPositionals: true })
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)]
  const targets = TARGETS.filter((t) => kinds.length === 0 || kinds.includes(t.name))
  if (!(seconds > 0) || !Number.isSafeInteger(seed) || targets.length === 0)
    throw new Error(`usage: npm run fuzz -- [--seconds N] [--seed N] [${TARGETS.map((t) => t.name).join('|')}]...`)
  const box = mkdtempSync(join(tmpdir(), 'bench-fuzz-'))
  const limit = pLimit(availableParallelism())
  const share = (seconds * Math.min(availableParallelism(), targets.length)) / targets.length
  const results = await Promise.all(
    targets.map(({ name }) =>
      limit(async () => {
        const own = join(box, name)
        mkdirSync(own)
        const result = await fuzz(name, seed, share, own)
        console.log(
          `${name.padEnd(12)} ${String(result.inputs).padStart(7)} inputs, ${result.findings.length} findings`
        )
        return result
      })
    )
  )
  const findings = results.flatMap((r) => r.findings)
  for (const { target, input, what, dir } of findings.slice(0, 50))
    console.log(`\n${target} ${input} (${dir})\n  ${what}`)
  console.log(`\n${results.reduce((sum, r) => sum + r.inputs, 0)} inputs, ${findings.length} findings`)
  if (findings.length === 0) rmSync(box, { recursive: true, force: true })
  process.exitCode = findings.length === 0 ? 0 : 1
}

if (process.send === undefined) void main(process.argv.slice(2))
else void child(process.argv.slice(2))
