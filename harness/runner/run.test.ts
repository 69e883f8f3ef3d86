import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load'
import { readRun } from '../scoring/run-summary'
import type { RunEvent } from './events'
import { WorkerState } from './execute'
import type { Executor } from './executor'
import { planRun } from './plan'
import { executeRun, type RunOptions } from './run'
import type { Task, TaskResults } from './tasks'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-run-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const CONFIG = `models: [gptj-mini]
methods:
  - name: ft-m
    hyperparameters: { num_steps: 3 }
datasets:
  - name: zsre
protocols: [single, sequential: 4]
limit: 4
shard_size: 2
backend: onnxruntime
store_edits: 1
`

/** Does the tasks here, one after another; all that goes in and out could cross to another machine. */
const here =
  (done: Task['type'][], before: (task: Task) => void = () => {}): NonNullable<RunOptions['executor']> =>
  (_, setup, onEvent): Executor => {
    const state = new WorkerState((event) => onEvent(structuredClone(event)))
    let queue: Promise<unknown> = Promise.resolve()
    return {
      run<T extends Task>(task: T) {
        const result = queue.then(async () => {
          before(task)
          done.push(task.type)
          return structuredClone(await state.execute(structuredClone(setup), structuredClone(task)))
        })
        queue = result.catch(() => {})
        return result as Promise<TaskResults[T['type']]>
      },
      close: async () => {}
    }
  }

async function run(options: Partial<RunOptions> = {}) {
  const file = join(dir, 'a.yaml')
  writeFileSync(file, CONFIG)
  const events: RunEvent[] = []
  const finished = await executeRun(await planRun(loadConfig(file)), {
    resultsDir: join(dir, 'runs'),
    resume: false,
    onEvent: (event) => void events.push(event),
    signal: new AbortController().signal,
    ...options
  })
  return { ...finished, events }
}

it('hands its tasks to whatever executes them, says what it does as events, and keeps them in its log', async () => {
  const done: Task['type'][] = []
  const { dir: at, events, edits, failed } = await run({ executor: here(done) })
  expect({ edits, failed }).toEqual({ edits: 8, failed: 0 })
  expect(done.slice(0, 2)).toEqual(['open', 'prepare'])
  // Two shards of single edits; links of the chain up to 1, 3 and 4 edits, where it is asked again after 1 and 4.
  expect(done.filter((t) => t === 'shard')).toHaveLength(5)
  expect(done.at(-1)).toBe('weights-hash')
  const types = events.map((e) => e.type)
  expect(types.slice(0, 3)).toEqual(['preparing', 'started', 'prepared'])
  expect(types.at(-1)).toBe('complete')
  const progress = events.flatMap((e) => (e.type === 'progress' ? [e] : []))
  expect(progress.at(-1)).toEqual({ type: 'progress', done: 8, total: 8 })
  const log = readFileSync(join(at, 'log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RunEvent)
  expect(log.map((e) => e.type)).toEqual(types.filter((t) => !['preparing', 'progress', 'edited'].includes(t)))
  const { summary } = readRun(at)
  expect(summary.settings.map((s) => [s.id, s.cases, s.retention.map((r) => r.after)])).toEqual([
    ['ft-m--gptj-mini--zsre', 4, []],
    ['ft-m--gptj-mini--zsre--sequential-4', 4, [1, 4]],
    ['ft-m--gptj-mini--zsre--sequential-4--at-once', 4, []]
  ])
})

it('goes on from the links of a chain that are stored, and computes again what rests on a damaged one', async () => {
  const whole = await run({ executor: here([]) })
  const answers = (at: string) => readFileSync(join(at, 'answers.arrow'))
  let links = 0
  const stop = (task: Task) => {
    if (task.type === 'shard' && task.protocol.kind === 'sequential' && ++links === 3)
      throw new Error('the machine is gone')
  }
  const parts = { resultsDir: join(dir, 'parts') }
  await expect(run({ ...parts, executor: here([], stop) })).rejects.toThrow('the machine is gone')
  const done: Task['type'][] = []
  const { dir: at, resumedShards } = await run({ ...parts, resume: true, executor: here(done) })
  expect(resumedShards).toBe(4)
  expect(done.filter((t) => t === 'shard')).toHaveLength(1)
  expect(answers(at).equals(answers(whole.dir))).toBe(true)

  links = 0
  const others = { resultsDir: join(dir, 'others') }
  await expect(run({ ...others, executor: here([], stop) })).rejects.toThrow('the machine is gone')
  const [stored] = (await import('node:fs')).readdirSync(others.resultsDir).map((name) => join(others.resultsDir, name))
  writeFileSync(join(stored!, 'shards', '00002', 'edits.arrow'), 'damaged')
  const again: Task['type'][] = []
  const mended = await run({ ...others, resume: true, executor: here(again) })
  expect(mended.events.filter((e) => e.type === 'damaged')).toEqual([expect.objectContaining({ index: 2 })])
  expect(again.filter((t) => t === 'shard')).toHaveLength(3)
  expect(answers(mended.dir).equals(answers(whole.dir))).toBe(true)
})
