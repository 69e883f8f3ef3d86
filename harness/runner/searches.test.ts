import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load'
import type { Executor } from './executor'
import { type Found, factsOf, foundFacts } from './find'
import { type Plan, planRun } from './plan'
import { Searches } from './searches'
import type { PlannedShard } from './shards'
import type { Task, TaskResults } from './tasks'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-searches-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const opened = { hash: 'h', weightsHash: 'w', files: '', architecture: 'gptj', backend: '' }

async function planned(methods: string, protocols: string, limit: number): Promise<Plan> {
  const file = join(dir, 'a.yaml')
  writeFileSync(
    file,
    `models: [gptj-mini]\nmethods: [${methods}]\ndatasets: [{ name: counterfact }]\nprotocols: [${protocols}]\nlimit: ${limit}\n`
  )
  return planRun(loadConfig(file))
}

/** Finds for a fact a vector that says which, and how often it was asked. */
class Finder implements Executor {
  readonly asked: string[][] = []

  async run<T extends Task>(task: T): Promise<TaskResults[T['type']]> {
    if (task.type !== 'find') throw new Error(task.type)
    this.asked.push(task.cases.map((c) => c.id))
    const cases = task.cases.map((c) => ({
      id: c.id,
      found: factsOf(c).map((r) => ({
        'v.1': Float32Array.of(r.prompt.length, 1.5),
        n: [1],
        none: new Float32Array(0)
      }))
    }))
    const found: Found = { cases, ms: 1000, peakBytes: 7 }
    return found as TaskResults[T['type']]
  }

  async close(): Promise<void> {}
}

const all = (searches: Searches, shards: readonly PlannedShard[]) =>
  Promise.all(shards.map((shard) => searches.for(shard, opened)))

it('cuts what is sought alike for all that want it, and asks once', async () => {
  const plan = await planned(
    '{ name: memit }, { name: memit, label: dear, hyperparameters: { mom2_update_weight: 9000 } }, { name: rome }, { name: ft }',
    'single, { batch: 30, one_by_one: where_needed }, { batch: 70, one_by_one: where_needed }',
    70
  )
  const finder = new Finder()
  const found = await all(new Searches(plan, finder, join(dir, 'found')), plan.shards)
  expect(finder.asked.map((ids) => ids.length)).toEqual([50, 20])
  for (const [i, shard] of plan.shards.entries()) {
    const { settings, protocol, cases } = shard
    const large = protocol.kind === 'batch' && settings[0]!.method.name === 'memit'
    expect(found[i]!.map((f) => f !== undefined)).toEqual(settings.map(() => large))
    if (!large) continue
    const facts = foundFacts(found[i]![0]!, cases)
    expect([...facts]).toEqual(
      cases.flatMap(factsOf).map((r) => [
        r,
        {
          found: { 'v.1': Float32Array.of(r.prompt.length, 1.5), n: [1], none: new Float32Array(0) },
          ms: expect.any(Number),
          peakBytes: 7
        }
      ])
    )
    const times = [...facts.values()].map((f) => f.ms)
    expect(new Set(times)).toEqual(new Set([20, 50].filter((ms) => times.includes(ms))))
  }
})

it('seeks for all of a batch that is asked in parts, when its first part makes the edit', async () => {
  const plan = await planned('{ name: memit }', '{ batch: 120 }', 120)
  expect(plan.shards).toHaveLength(2)
  const finder = new Finder()
  const [first, second] = await all(new Searches(plan, finder, join(dir, 'found')), plan.shards)
  expect(finder.asked.map((ids) => ids.length)).toEqual([50, 50, 20])
  expect(first![0]!.flatMap((f) => f.cases)).toHaveLength(120)
  expect(second).toEqual([undefined])
  expect(plan.workers).toBe(Math.min(availableParallelism(), 3))
})

it('seeks anew where something else decides it: the search, the facts, the model, the seed', async () => {
  const finder = new Finder()
  const batch = '{ batch: 20 }'
  const of = async (methods: string, limit = 20, change: Partial<Plan['config']> = {}, hash = 'h') => {
    const plan = await planned(methods, batch, limit)
    const config = { ...plan.config, ...change }
    const before = finder.asked.length
    await Promise.all(
      plan.shards.map((s) =>
        new Searches({ ...plan, config }, finder, join(dir, 'found'), () => {}).for(s, { ...opened, hash })
      )
    )
    return finder.asked.length - before
  }
  expect(await of('{ name: memit }')).toBe(1)
  expect(await of('{ name: memit, hyperparameters: { mom2_update_weight: 1 } }')).toBe(0)
  expect(await of('{ name: memit, hyperparameters: { v_lr: 0.25 } }')).toBe(1)
  expect(await of('{ name: memit, hyperparameters: { layers: [1] } }')).toBe(1)
  // What was traced is not known from the hyper-parameters, and another method may trace otherwise.
  expect(await of('{ name: memit, hyperparameters: { layers: traced } }')).toBe(1)
  const like = 'layers: traced, v_lr: 1, clamp_norm_factor: 4'
  expect(await of(`{ name: emmet, hyperparameters: { ${like} } }`)).toBe(1)
  expect(await of(`{ name: alphaedit, hyperparameters: { ${like} } }`)).toBe(1)
  expect(await of('{ name: memit }', 19)).toBe(1)
  expect(await of('{ name: memit }', 20, { seed: 1 })).toBe(1)
  expect(await of('{ name: memit }', 20, {}, 'other')).toBe(1)
})

it('seeks again what is damaged', async () => {
  const plan = await planned('{ name: memit }', '{ batch: 60 }', 60)
  const finder = new Finder()
  const counted: number[] = []
  const store = () => new Searches(plan, finder, join(dir, 'found'), (_, cases) => void counted.push(cases))
  const first = await all(store(), plan.shards)
  const [file] = readdirSync(join(dir, 'found')).map((name) => join(dir, 'found', name))
  const bytes = readFileSync(file!)
  bytes[bytes.length - 3]! ^= 1
  writeFileSync(file!, bytes)
  expect(await all(store(), plan.shards)).toEqual(first)
  expect(finder.asked).toHaveLength(3)
  expect(counted.sort()).toEqual([10, 10, 50, 50])
})
