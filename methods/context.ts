import type { Edit, EditRequest } from '../harness/edit'
import type { LanguageModel } from '../harness/model'
import type { EditingMethod, PrepareContext } from './types'

/** What a worker gives to methods, without one: for checks, benchmarks and tests. Nothing is kept longer than the context. */
export function contextOf(given: Partial<PrepareContext> = {}): PrepareContext {
  const kept = new Map<string, unknown>()
  return {
    seed: 0,
    cacheDir: '',
    log: () => {},
    keep: <T>(key: string, make: () => T): T => {
      if (!kept.has(key)) kept.set(key, make())
      return kept.get(key) as T
    },
    ...given
  }
}

/** All edits of some groups, prepared first. */
export async function editAll<H, P>(
  method: EditingMethod<H, P>,
  model: LanguageModel,
  groups: readonly (readonly EditRequest[])[],
  h: H,
  context: PrepareContext = contextOf()
): Promise<Edit[]> {
  const prepared = (await method.prepare?.(model, h, context, undefined)) as P
  const edits: Edit[] = []
  for await (const some of method.edit(model, groups, h, context, prepared)) edits.push(...some)
  return edits
}
