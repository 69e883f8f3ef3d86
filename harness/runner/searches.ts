import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Artifact } from '../../methods/types'
import { makeFolder } from '../replace'
import { readStored, writeStored } from './artifacts'
import type { Executor } from './executor'
import type { Found } from './find'
import type { Plan, PlannedSetting } from './plan'
import { type PlannedShard, soughtApart } from './shards'
import type { OpenedModel } from './tasks'

/**
 * What methods find for the facts of large batches: asked for once, whichever edits want it, and kept in the run's folder until the run is complete, so that
 * several workers share it, and an interruption costs no more than what is being sought.
 */
export class Searches {
  readonly #plan: Plan
  readonly #executor: Executor
  readonly #dir: string
  readonly #onFound: (setting: string, cases: number) => void
  readonly #asked = new Map<string, Promise<string>>()

  /** @param dir where it is kept */
  constructor(
    plan: Plan,
    executor: Executor,
    dir: string,
    onFound: (setting: string, cases: number) => void = () => {}
  ) {
    this.#plan = plan
    this.#executor = executor
    this.#dir = dir
    this.#onFound = onFound
  }

  /** By method of a shard what is found for its cases; undefined where the method has nothing to find, or finds it while it edits. */
  async for(shard: PlannedShard, opened: OpenedModel): Promise<(readonly Found[] | undefined)[]> {
    return Promise.all(
      shard.settings.map(async (setting) => {
        const sought = soughtApart(this.#plan.config, setting)
        // The edit that a part of a batch rests on is made already.
        if (sought.length === 0 || shard.previous !== undefined) return undefined
        const own = new Set(shard.batch ?? shard.cases)
        const files = await Promise.all(
          sought.flatMap((some) => (some.some((c) => own.has(c)) ? [this.#find(setting, some, opened)] : []))
        )
        return files.map((file) => foundIn(readStored(file)!))
      })
    )
  }

  #find(setting: PlannedSetting, cases: PlannedSetting['cases'], opened: OpenedModel): Promise<string> {
    const key = keyOf(setting, cases, opened, this.#plan.config.seed)
    const known = this.#asked.get(key)
    if (known !== undefined) return known
    const file = join(this.#dir, `${key}.safetensors`)
    const sought = async () => {
      if (readStored(file) === undefined) {
        const { model, method } = setting
        const found = await this.#executor.run({ type: 'find', model, opened, method, cases })
        makeFolder(this.#dir)
        writeStored(file, artifactOf(found), found.ms)
      }
      this.#onFound(setting.id, cases.length)
      return file
    }
    const asked = sought()
    this.#asked.set(key, asked)
    return asked
  }
}

/** Names what is found by all that decides it. What a method learnt beforehand is its own. */
function keyOf(
  { editing, method }: PlannedSetting,
  cases: PlannedSetting['cases'],
  { hash }: OpenedModel,
  seed: number
): string {
  const { name, by } = editing.search!
  const values = by.map((key) => [key, method.hyperparameters[key] ?? null])
  const learnt = method.training && [method.name, method.hyperparameters, method.training.hash]
  const facts = cases.map(({ id, requests, lastTokens, unedited }) => [id, requests, lastTokens, unedited])
  const all = [name, method.module?.hash, values, hash, learnt, seed, facts]
  return createHash('sha256').update(JSON.stringify(all)).digest('hex').slice(0, 32)
}

/** Vectors become tensors, named by case, fact and name; all else is JSON. */
function artifactOf({ cases, peakBytes }: Found): Artifact {
  const tensors: Record<string, Artifact['tensors'][string]> = {}
  const rest = cases.map(({ id, found }, c) => ({
    id,
    found: found.map((one, f) =>
      Object.fromEntries(
        Object.entries(one).filter(([name, value]) => {
          if (!ArrayBuffer.isView(value)) return true
          const data = value as Float32Array
          tensors[`${c}.${f}.${name}`] = { shape: [data.length], data }
          return false
        })
      )
    )
  }))
  return { tensors, json: { cases: rest, peakBytes } }
}

function foundIn({ tensors, json, ms }: Artifact & { readonly ms: number }): Found {
  const { cases, peakBytes } = json as Pick<Found, 'cases' | 'peakBytes'>
  const whole = cases.map(({ id, found }) => ({ id, found: found.map((one): Record<string, unknown> => ({ ...one })) }))
  for (const [name, { data }] of Object.entries(tensors)) {
    const [c, f, ...own] = name.split('.')
    whole[Number(c)]!.found[Number(f)]![own.join('.')] = data
  }
  return { cases: whole, ms, peakBytes }
}
