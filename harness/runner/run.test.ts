import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load'
import { readRows } from '../results/runs'
import { readRun } from '../scoring/run-summary'
import type { RunEvent } from './events'
import { WorkerState } from './execute'
import type { Executor } from './executor'
import { type Plan, type PlannedSetting, planRun } from './plan'
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

async function planned(config = CONFIG): Promise<Plan> {
  const file = join(dir, 'a.yaml')
  writeFileSync(file, config)
  return planRun(loadConfig(file))
}

async function run(options: Partial<RunOptions> = {}, plan?: Plan) {
  const events: RunEvent[] = []
  const finished = await executeRun(plan ?? (await planned()), {
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

const LARGE = `models: [gptj-mini]
methods:
  - name: memit
    hyperparameters: { v_num_grad_steps: 3, context_templates: ['{}'], mom2_n_tokens: 2000 }
datasets:
  - name: zsre
protocols: [single, batch: 2, batch: 4]
limit: 4
shard_size: 1
backend: onnxruntime
store_edits: 0
`

it('seeks what large batches need of their facts once, for all of them, and keeps it until the run is complete', async () => {
  const done: Task['type'][] = []
  const whole = await run({ executor: here(done) }, await planned(LARGE))
  // Single edits find for themselves; two edits of two facts and one of four share what one task finds.
  expect(done.filter((t) => t === 'find' || t === 'shard')).toEqual([
    ...['find', 'shard', 'shard', 'shard', 'shard', 'shard', 'shard', 'shard']
  ])
  const progress = whole.events.flatMap((e) => (e.type === 'progress' ? [e] : []))
  expect(progress.at(-1)).toEqual({ type: 'progress', done: 12, total: 12 })
  expect(existsSync(join(whole.dir, 'found'))).toBe(false)

  // The time of what was found is part of the edits' time.
  const rows = readRows(whole.dir, whole.manifest)
  const ms = (kind: string) => rows.edits.flatMap((e) => (e.setting.endsWith(kind) ? [e.editMs!] : []))
  expect(Math.min(...ms('batch-4'))).toBeGreaterThan(Math.min(...ms('zsre')) / 4)
  // Found apart or while it is edited: the same edits.
  const apart = await run({ executor: here([]), resultsDir: join(dir, 'apart') }, withoutSearch(await planned(LARGE)))
  const said = (r: typeof rows) => r.answers.map((a) => [a.setting, a.caseId, a.prompt, a.after, a.exactAfter])
  expect(said(rows)).toEqual(said(readRows(apart.dir, apart.manifest)))
  const losses = (r: typeof rows) => r.edits.map((e) => JSON.parse(e.diagnostics).deltaNorm as number)
  for (const [i, norm] of losses(rows).entries())
    expect(norm).toBeCloseTo(losses(readRows(apart.dir, apart.manifest))[i]!, 3)

  // Interrupted before the edits, and damaged: what is whole is not sought again.
  const parts = { resultsDir: join(dir, 'parts') }
  const stop = (task: Task) => {
    if (task.type === 'shard' && task.protocol.kind === 'batch') throw new Error('the machine is gone')
  }
  await expect(run({ ...parts, executor: here([], stop) }, await planned(LARGE))).rejects.toThrow('the machine is gone')
  const again: Task['type'][] = []
  const resumed = await run({ ...parts, resume: true, executor: here(again) }, await planned(LARGE))
  expect(again).not.toContain('find')
  expect(readFileSync(join(resumed.dir, 'answers.arrow')).equals(readFileSync(join(whole.dir, 'answers.arrow')))).toBe(
    true
  )
})

it('keeps what was found when it is stopped before any edit is made', async () => {
  const config = LARGE.replace('[single, batch: 2, batch: 4]', '[batch: 4]')
  const stop = new AbortController()
  const here4 = here([], (task) => {
    if (task.type !== 'shard') return
    stop.abort()
    throw new Error('stopped')
  })
  const stopped = run({ executor: here4, signal: stop.signal }, await planned(config))
  await expect(stopped).rejects.toMatchObject({ stored: 0, kept: true })
  const again: Task['type'][] = []
  const { failed } = await run({ resume: true, executor: here(again) }, await planned(config))
  expect(failed).toBe(0)
  expect(again).toContain('shard')
  expect(again).not.toContain('find')
})

const PARTS = `models: [gptj-mini]
methods:
  - name: ft-m
    hyperparameters: { num_steps: 1 }
datasets: [{ name: zsre }]
protocols: [batch: 104]
limit: 104
backend: onnxruntime
store_edits: 1
`

it('asks large batches in parts, which rest on the one that makes the edit', async () => {
  const done: Task['type'][] = []
  const whole = await run({ executor: here(done) }, await planned(PARTS))
  expect(done.filter((t) => t === 'shard')).toHaveLength(2)
  const rows = readRows(whole.dir, whole.manifest)
  expect(rows.edits.map((e) => [e.position, e.facts, e.together])).toEqual(
    Array.from({ length: 104 }, (_, i) => [i, 104, 104])
  )
  expect(new Set(rows.answers.map((a) => a.held))).toEqual(new Set([104]))
  const stop = (task: Task) => {
    if (task.type === 'shard' && task.made !== undefined) throw new Error('the machine is gone')
  }
  const parts = { resultsDir: join(dir, 'parts') }
  await expect(run({ ...parts, executor: here([], stop) }, await planned(PARTS))).rejects.toThrow('the machine is gone')
  const again: Task['type'][] = []
  const resumed = await run({ ...parts, resume: true, executor: here(again) }, await planned(PARTS))
  expect(again.filter((t) => t === 'shard')).toHaveLength(1)
  expect(readFileSync(join(resumed.dir, 'answers.arrow')).equals(readFileSync(join(whole.dir, 'answers.arrow')))).toBe(
    true
  )
})

const withoutSearch = (plan: Plan): Plan => ({
  ...plan,
  settings: plan.settings.map(alone),
  shards: plan.shards.map((s) => ({ ...s, settings: s.settings.map(alone) }))
})

function alone(setting: PlannedSetting): PlannedSetting {
  const { search: _, ...editing } = setting.editing
  return { ...setting, editing }
}
