import { existsSync, statSync } from 'node:fs'
import type { z } from 'zod'
import type { Random } from '../harness/random'
import { jsonElements } from './json-stream'

/**
 * What a whole file holds, read before its cases are made: questions whose answers must stay are drawn from it. Records that are of another form are
 * passed over, whoever loads them names them.
 * @param pick what is wanted of a record, and of the list it stands in where the file is an object of lists
 */
export function poolOf<Schema extends z.ZodType, T>(
  source: string,
  schema: Schema,
  pick: (record: z.output<Schema>, list: string | undefined) => readonly T[],
  lists: readonly string[] = []
): T[] {
  // The loader says what is wrong.
  if (!existsSync(source) || statSync(source).isDirectory()) return []
  const pool: T[] = []
  for (const { text, list } of jsonElements(source, { lists })) {
    const parsed = schema.safeParse(tryParse(text))
    if (parsed.success) pool.push(...pick(parsed.data, list))
  }
  return pool
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** So many different ones, drawn from those that `fits` accepts; fewer where it hardly accepts any. */
export function draw<T>(pool: readonly T[], count: number, random: Random, fits: (item: T) => boolean): T[] {
  const drawn = new Set<T>()
  // A pool is large and nearly everything fits: shuffling all of it for every case would cost more than trying.
  for (let tries = 0; tries < 20 * count && drawn.size < Math.min(count, pool.length); tries++) {
    const item = random.pick(pool)
    if (fits(item)) drawn.add(item)
  }
  return [...drawn]
}
