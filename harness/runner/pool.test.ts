import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PoolOptions, WorkerPool } from './pool'
import type { WorkerSetup } from './tasks'

let dir: string
let pool: WorkerPool | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-pool-'))
})
afterEach(async () => {
  await pool?.close()
  rmSync(dir, { recursive: true, force: true })
})

const setup = { backend: 'cpu', threads: 1, seed: 0, cacheDir: '', localityTokens: 8 } as WorkerSetup
const task = { type: 'open', model: 'm' } as const
const logs: string[] = []

/** Worker processes that run this for every task; `answer` ends the task, `mark(name)` tells whether it is the first time. */
function start(program: string, options: PoolOptions = {}): WorkerPool {
  const file = join(dir, 'worker.js')
  const mark = `const fs = require('node:fs'); const mark = (n) => { const f = ${JSON.stringify(dir)} + '/' + n; if (fs.existsSync(f)) return false; fs.writeFileSync(f, ''); return true }`
  const run = `process.on('disconnect', () => { mark('gentle'); process.exit(0) }); process.on('message', ({ id }) => { const answer = (result) => process.send({ type: 'done', id, result }); ${program} })`
  writeFileSync(file, `${mark}\n${run}`)
  logs.length = 0
  pool = new WorkerPool(1, setup, (event) => void (event.type === 'log' && logs.push(event.message)), {
    file,
    ...options
  })
  return pool
}

it('starts a dead worker again and tries its task once more', async () => {
  start(`if (mark('first')) process.exit(3); answer('second')`)
  expect(await pool!.run(task)).toBe('second')
  expect(await pool!.run(task)).toBe('second')
  expect(logs).toEqual(['a worker died; its task is tried once more'])
})

it('gives up on a task that kills its worker twice, and says how it ended', async () => {
  start(`process.stderr.write('FATAL: JavaScript heap out of memory', () => process.abort())`)
  await expect(pool!.run(task)).rejects.toMatchObject({
    message: expect.stringContaining('a worker process was killed (SIGABRT) in the middle of its work'),
    hint: expect.stringMatching(/memory probably ran out: use fewer workers/)
  })
})

it('notices a worker that does nothing any more', async () => {
  start(`if (mark('first')) return; answer('second')`, { stuckMs: 600 })
  expect(await pool!.run(task)).toBe('second')
})

it('leaves a worker alone that works long without a word', async () => {
  start(
    `if (!mark('first')) return answer('again'); const end = Date.now() + 2500; while (Date.now() < end); answer('done')`,
    {
      stuckMs: 600
    }
  )
  expect(await pool!.run(task)).toBe('done')
  expect(logs).toEqual([])
})

it('stops workers gently, and those that do not listen hard', async () => {
  start(`answer(process.pid)`)
  await pool!.run(task)
  await pool!.close()
  expect(existsSync(join(dir, 'gentle'))).toBe(true)
  start(`fs.writeFileSync(${JSON.stringify(join(dir, 'pid'))}, String(process.pid)); while (true);`, { graceMs: 200 })
  const never = pool!.run(task)
  never.catch(() => {})
  while (!existsSync(join(dir, 'pid'))) await new Promise((resolve) => setTimeout(resolve, 20))
  const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'))
  await pool!.close()
  expect(() => process.kill(pid, 0)).toThrow()
})
