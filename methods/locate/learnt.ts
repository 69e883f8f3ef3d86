import type { EditCase } from '../../datasets/types'
import type { LanguageModel, ModelConfig } from '../../harness/model'
import type { Artifact, TrainingContext } from '../types'
import { type BlockHyperparameters, blockCount } from './block-edits'
import { ANCHORED_BY, anchorOf, learnAnchor, REQUESTS } from './norm-anchor'
import { TRACED, tracedLayer, traceLayer } from './traced'

/*
 * What MEMIT and the methods after it learn before they edit, where a config asks for it: which blocks (`layers: traced`), and the norm of values
 * (`norm_anchor: true`).
 */

type Hyperparameters = BlockHyperparameters & { readonly norm_anchor?: boolean }

/** What is known once that is learnt. */
export interface Learnt {
  /** Blocks that are edited, in ascending order. */
  readonly layers: readonly number[]
  /** Norm of values, where they are anchored. */
  readonly anchor?: number
}

export const LEARNT_BY: readonly string[] = ['layers', ...ANCHORED_BY]

export const learnsSomething = (given: Readonly<Record<string, unknown>>): boolean =>
  given.layers === TRACED || given.norm_anchor === true

/** @param count blocks that are edited together, where tracing chooses them */
export async function learn(
  model: LanguageModel,
  cases: AsyncIterable<EditCase>,
  h: Hyperparameters,
  context: TrainingContext,
  count = blockCount(model.config)
): Promise<Artifact> {
  const some: EditCase[] = []
  for await (const c of cases) {
    some.push(c)
    if (some.length >= REQUESTS) break
  }
  const traced = h.layers === TRACED ? await traceLayer(model, again(some), context) : undefined
  const layers = blocksOf(model.config, h, traced, count)
  const anchor = h.norm_anchor === true ? await learnAnchor(model, again(some), { ...h, layers }, context) : undefined
  return {
    tensors: { ...traced?.tensors, ...anchor?.tensors },
    json: { ...(traced?.json as object | undefined), ...(anchor?.json as object | undefined) }
  }
}

export function learnt(
  model: ModelConfig,
  h: Hyperparameters,
  artifact: Artifact | undefined,
  count = blockCount(model)
): Learnt {
  const layers = blocksOf(model, h, artifact, count)
  return h.norm_anchor === true ? { layers, anchor: anchorOf(artifact!) } : { layers }
}

/** Those given, or so many with the traced one in their middle: what tracing gave back were the MLPs around it. */
function blocksOf(
  { layers: all }: ModelConfig,
  { layers }: Hyperparameters,
  artifact: Artifact | undefined,
  count: number
): readonly number[] {
  if (layers !== TRACED) return layers
  const from = tracedLayer(artifact!) - Math.floor(count / 2)
  const first = Math.max(0, Math.min(all - count, from))
  return Array.from({ length: count }, (_, i) => first + i)
}

async function* again(cases: readonly EditCase[]): AsyncGenerator<EditCase> {
  yield* cases
}
