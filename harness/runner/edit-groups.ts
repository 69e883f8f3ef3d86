import type { EditContext, EditingMethod } from '../../methods/types'
import { checkEdit, combined, type Edit, type EditRequest, edited } from '../edit'
import { UserError } from '../errors'
import type { LanguageModel } from '../model'
import { watchTensorBytes } from '../tensor'
import type { FoundFact } from './find'

/** A method with its hyper-parameters and what the work shared by all edits came to. */
export interface ReadyMethod {
  readonly method: EditingMethod
  readonly h: unknown
  readonly state: unknown
}

/** What became of a group of facts that one edit is to hold. */
export interface Outcome {
  readonly edit?: Edit
  /** All but the last of facts that were inserted one after another. */
  readonly between?: Edit
  /** A fact's share of the time and of the matrix FLOPs. */
  readonly editMs?: number
  readonly flops?: number
  /** Facts that were computed together. */
  readonly together?: number
  readonly peakBytes?: number
  readonly error?: string
}

export interface EditGroupsOptions {
  readonly context: EditContext
  /** Insert the facts of a group one after another, each on top of those before. */
  readonly oneByOne: boolean
  /** What was found for facts before; their edits have a part in its time. */
  readonly found?: ReadonlyMap<EditRequest, FoundFact>
  /** Called when an edit failed. */
  readonly onFailure?: (group: number, error: unknown) => void
}

/**
 * The edit of every group, in their order, as they come. When the method fails on some together, each group that is left is tried alone, one
 * after another, so that one bad group costs only itself and each has its own time.
 */
export async function* editGroups(
  ready: ReadyMethod,
  model: LanguageModel,
  groups: readonly (readonly EditRequest[])[],
  options: EditGroupsOptions
): AsyncGenerator<Outcome[]> {
  const { onFailure } = options
  const failed = (group: number, error: unknown): Outcome => {
    onFailure?.(group, error)
    return { error: error instanceof UserError ? error.message : (error as Error).message }
  }
  if (options.oneByOne && groups.some((g) => g.length > 1)) {
    for (const [i, group] of groups.entries()) yield [await oneAfterAnother(ready, model, group, options, i)]
    return
  }
  const { method, h, state } = ready
  let done = 0
  try {
    let cost = stopwatch()
    const { found } = options
    const context =
      found === undefined ? options.context : { ...options.context, found: (r: EditRequest) => found.get(r)?.found }
    for await (const edits of method.edit(model, groups, h, context, state)) {
      const facts = edits.reduce((sum, _, i) => sum + groups[done + i]!.length, 0)
      const { ms, peakBytes } = cost()
      const outcomes = edits.map((edit, i): Outcome => {
        const problem = problemOf(edit, model, method, groups[done + i])
        if (problem !== undefined) return failed(done + i, problem)
        const { flops } = edit.diagnostics
        const each = flops === undefined ? {} : { flops: flops / groups[done + i]!.length }
        const before = groups[done + i]!.flatMap((r) => found?.get(r) ?? [])
        const foundMs = before.reduce((sum, one) => sum + one.ms, 0) / groups[done + i]!.length
        const peak = Math.max(peakBytes, ...before.map((one) => one.peakBytes))
        return { edit, editMs: ms / facts + foundMs, together: facts, peakBytes: peak, ...each }
      })
      done += edits.length
      yield outcomes
      cost = stopwatch()
    }
    if (done < groups.length) throw new Error(`${method.name} gave ${done} edits for ${groups.length} groups`)
  } catch (error) {
    if (groups.length - done <= 1) {
      if (done < groups.length) yield [failed(done, error)]
      return
    }
    const first = done
    for (const [i, group] of groups.slice(first).entries()) {
      const own = { ...options, onFailure: (_: number, problem: unknown) => onFailure?.(first + i, problem) }
      yield* editGroups(ready, model, [group], own)
    }
  }
}

/** A group's facts in an edit each, one on top of the other. The group fails when one of them does. */
async function oneAfterAnother(
  ready: ReadyMethod,
  model: LanguageModel,
  group: readonly EditRequest[],
  options: EditGroupsOptions,
  index: number
): Promise<Outcome> {
  let soFar: Edit | undefined
  let between: Edit | undefined
  const done: Outcome[] = []
  for (const request of group) {
    const under = soFar === undefined ? model : edited(model, soFar)
    const before = soFar === undefined ? options.context.before : combined(options.context.before, soFar)
    const { found, ...rest } = options
    const own = {
      ...rest,
      // Of the model as it was before.
      ...(soFar === undefined && found !== undefined ? { found } : {}),
      context: { ...options.context, goesOn: true, ...(before === undefined ? {} : { before }) } as const,
      onFailure: (_: number, problem: unknown) => options.onFailure?.(index, problem)
    }
    for await (const [outcome] of editGroups(ready, under, [[request]], own)) {
      if (outcome!.edit === undefined) return outcome!
      between = soFar
      soFar = combined(soFar, outcome!.edit)
      done.push(outcome!)
    }
    if (under !== model) under.dispose()
  }
  const mean = (of: (o: Outcome) => number | undefined) => {
    const values = done.map(of)
    return values.some((v) => v === undefined) ? undefined : values.reduce((a, b) => a! + b!, 0)! / done.length
  }
  const flops = mean((o) => o.flops)
  return {
    edit: soFar!,
    ...(between === undefined ? {} : { between }),
    editMs: mean((o) => o.editMs)!,
    together: 1,
    peakBytes: Math.max(...done.map((o) => o.peakBytes!)),
    ...(flops === undefined ? {} : { flops })
  }
}

/** Time, and the most bytes that tensors held, from now on. */
export function stopwatch(): () => { ms: number; peakBytes: number } {
  const start = performance.now()
  const peak = watchTensorBytes()
  return () => ({ ms: performance.now() - start, peakBytes: peak() })
}

/** What is wrong with an edit: numbers that are none, parts that do not fit the model, or more edits than were asked for. */
function problemOf(
  edit: Edit,
  model: LanguageModel,
  { name }: EditingMethod,
  group: readonly EditRequest[] | undefined
): unknown {
  if (group === undefined) return new Error(`${name} gave more edits than it was given groups`)
  try {
    checkEdit(edit, model)
    return undefined
  } catch (error) {
    return error
  }
}
