import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import type { EditCase } from '../../datasets/types'
import { type Artifact, type EditingMethod, mustLearn, type PrepareContext } from '../../methods/types'
import { publishedValues } from '../config/published'
import { checkEdit, type Edit, type EditRequest, edited, loadEdit, saveEdit } from '../edit'
import { UserError } from '../errors'
import { encodeTarget, type LanguageModel } from '../model'
import { Checks, type Finding, must } from './finding'

export interface MethodCheck {
  readonly model: LanguageModel
  /** At least three. */
  readonly cases: readonly EditCase[]
  readonly context: PrepareContext
  /** What differs from the method's defaults. */
  readonly hyperparameters?: Readonly<Record<string, unknown>>
}

/** Likelihoods of one edit computed in several ways may differ by so much, in nats a token. */
const ALIKE = 1e-2

/**
 * Checks that a method keeps what every method promises: it leaves the model as it is, gives a fact the same edit alone and in company, edits that
 * are values, and refuses what it cannot do.
 */
export async function verifyMethod(method: EditingMethod, check: MethodCheck): Promise<Finding[]> {
  const { model, context } = check
  const checks = new Checks()
  const requests = check.cases.slice(0, 3).map((c) => c.requests[0])
  const groups = requests.map((r) => [r])
  const h = await checks.that('its hyper-parameters have values for this model', () => {
    const known = publishedValues(method.name, model.config)?.hyperparameters ?? method.defaults?.(model.config)
    const values = method.hyperparameters.parse({ ...known, ...check.hyperparameters })
    method.check?.(model.config, values)
    return { values }
  })
  await checks.that('a hyper-parameter that it does not have is refused', () =>
    must(
      !method.hyperparameters.safeParse({ ...check.hyperparameters, 'no such hyper-parameter': 1 }).success,
      'it is accepted'
    )
  )
  if (h === undefined) return checks.findings
  const before = model.weightsHash()
  const artifact = await trained(method, checks, check, h.values)
  if (mustLearn(method, h.values as Record<string, unknown>) && artifact === undefined) return checks.findings
  const ready = await checks.that('it prepares', async () => ({
    state: await method.prepare?.(model, h.values, context, artifact)
  }))
  if (ready === undefined) return checks.findings
  const editAll = async (asked: LanguageModel, facts: readonly (readonly EditRequest[])[]) => {
    const edits: Edit[] = []
    for await (const some of method.edit(asked, facts, h.values, context, ready.state)) edits.push(...some)
    return edits
  }
  const together = await checks.that('every group of facts has one edit, in their order', async () => {
    const edits = await editAll(model, groups)
    must(edits.length === groups.length, `${edits.length} edits for ${groups.length} groups`)
    for (const [i, edit] of edits.entries()) {
      must(edit.method === method.name, `an edit says it is of '${edit.method}'`)
      must(edit.requests[0] === requests[i], `edit ${i} is not of fact ${i}`)
      checkEdit(edit, model)
    }
    return edits
  })
  if (together === undefined) return checks.findings
  const effects = (edits: readonly Edit[]) => edits.map((edit) => effect(model, edit, requests))
  await checks.that('a fact has the same edit alone and in company', async () => {
    const alone: Edit[] = []
    for (const group of groups) alone.push(...(await editAll(model, [group])))
    same(effects(alone), effects(together))
  })
  await checks.that('the same facts have the same edits again', async () =>
    same(effects(await editAll(model, groups)), effects(together))
  )
  await checks.that('an edit that is stored and read again does the same', () => {
    const dir = mkdtempSync(join(tmpdir(), 'bench-verify-'))
    try {
      saveEdit(join(dir, 'edit'), together[0]!, model)
      same(effects([loadEdit(join(dir, 'edit')).edit]), effects(together.slice(0, 1)))
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
  await checks.that('an edit on top of another leaves that one in place', async () => {
    const under = edited(model, together[0]!)
    const [second] = await editAll(under, [groups[1]!])
    checkEdit(second!, model)
    under.dispose()
  })
  if (method.holdsMany) {
    await checks.that('it holds many facts in one edit, as it says', async () => {
      const [edit, ...more] = await editAll(model, [requests])
      must(more.length === 0 && edit!.requests.length === requests.length, 'the edit is not of all facts')
      checkEdit(edit!, model)
    })
  }
  if (method.search !== undefined) {
    await checks.that('what it finds beforehand can be stored, and makes the same edits', async () => {
      const found = method.find!(model, requests, h.values, ready.state)
      must(found.length === requests.length, `${found.length} are found for ${requests.length} facts`)
      const stored = found.map((one) =>
        Object.fromEntries(
          Object.entries(one).map(([key, value]) => [
            key,
            value instanceof Float32Array ? value : (JSON.parse(JSON.stringify(value)) as unknown)
          ])
        )
      )
      const known = { ...context, found: (r: EditRequest) => stored[requests.indexOf(r)] }
      const edits: Edit[] = []
      for await (const some of method.edit(model, groups, h.values, known, ready.state)) edits.push(...some)
      same(effects(edits), effects(together))
    })
  }
  await checks.that('what does not fit into the model is refused by a message', async () => {
    const long = { ...requests[0]!, prompt: `${'x '.repeat(model.config.maxPositions + 1)}${requests[0]!.prompt}` }
    const { subjectAt: _, ...request } = long
    try {
      await editAll(model, [[request]])
    } catch (error) {
      must(error instanceof UserError, `it is no UserError: ${(error as Error).message}`)
    }
  })
  await checks.that('it leaves no tensor behind', async () => {
    const tensors = tf.memory().numTensors
    await editAll(model, groups)
    const left = tf.memory().numTensors - tensors
    must(left === 0, `${left} are left after an edit`)
  })
  await checks.that("it leaves the model's weights as they were", () =>
    must(model.weightsHash() === before, 'they changed')
  )
  return checks.findings
}

async function trained(
  method: EditingMethod,
  checks: Checks,
  { model, cases, context }: MethodCheck,
  h: unknown
): Promise<Artifact | undefined> {
  if (!mustLearn(method, h as Record<string, unknown>)) return undefined
  async function* all() {
    yield* cases
  }
  return checks.that('it learns', async () => {
    let steps = 0
    const artifact = await method.train!(model, all(), h, {
      ...context,
      onProgress: () => void steps++,
      checkpoint: () => undefined,
      saveCheckpoint: () => {}
    })
    must(steps > 0, 'it says nothing of its progress')
    return artifact
  })
}

/** What an edit does: likelihoods of all targets after all prompts. */
function effect(model: LanguageModel, edit: Edit, requests: readonly EditRequest[]): number[] {
  const items = requests.flatMap(({ prompt }) =>
    requests.map(({ target }) => ({ prompt, target: encodeTarget(model.tokenizer, target) }))
  )
  const under = edited(model, edit)
  const scores = under.score(items)
  under.dispose()
  return scores.map(({ nll }) => nll.reduce((a, b) => a + b, 0) / nll.length)
}

function same(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): void {
  const largest = Math.max(...a.flatMap((row, i) => row.map((x, j) => Math.abs(x - b[i]![j]!))))
  must(largest <= ALIKE, `likelihoods differ by ${largest.toFixed(3)} nats a token`)
}
