import { z } from 'zod'
import type { EditCase } from '../../datasets/types'
import type { LanguageModel } from '../../harness/model'
import { mean } from '../../harness/statistics/intervals'
import { norm } from '../../harness/tensor/linalg'
import type { Artifact, TrainingContext } from '../types'
import { type BlockMethod, type FoundStream, findStreams, type WithBlocks } from './block-edits'
import { factOf } from './facts'

/*
 * Norm-anchor scaling (Liu et al. 2026, arXiv 2602.02543; SasyaTitech/NAS): long sequences die because solved values and edited weights enlarge each other,
 * so every value gets the norm that values have on the unedited model.
 */

export const anchorHyperparameters = {
  norm_anchor: z
    .boolean()
    .default(false)
    .describe(
      'Norm-anchor scaling (NAS): every value gets the norm that values of `train_on` have on the unedited model'
    )
}

/** The hyper-parameters that decide the anchor, beside the blocks. */
export const ANCHORED_BY = [
  'v_num_grad_steps',
  'v_lr',
  'v_weight_decay',
  'clamp_norm_factor',
  'kl_factor',
  'stop_loss',
  'norm_anchor'
] as const

/** Requests behind the anchor, at most; the share of the longest values that is left out; requests between two words of progress. */
export const REQUESTS = 1000
const [DROPPED, STEP] = [0.05, 50]

/** A value longer than this many anchors is refused. */
const MOST = 2

interface Anchor {
  readonly norm: number
  readonly requests: number
}

/**
 * The mean norm of the values that facts of the training data come to: MLP outputs at the subject of the bare prompt with their optimised change, the longest
 * twentieth left out. Unlike the official code every fact stops on its own.
 */
export async function learnAnchor(
  model: LanguageModel,
  cases: AsyncIterable<EditCase>,
  h: WithBlocks,
  { onProgress }: TrainingContext
): Promise<Artifact> {
  const requests = []
  for await (const c of cases) {
    requests.push(...c.requests)
    if (requests.length >= REQUESTS) break
  }
  const some = requests.slice(0, REQUESTS)
  const steps = Math.ceil(some.length / STEP)
  const norms = Array.from({ length: steps }, (_, step) => {
    const facts = some.slice(step * STEP, (step + 1) * STEP).map((r) => factOf(model.tokenizer, ['{}'], r))
    const found = findStreams(model, facts, h).map((stream) => norm(solved(stream)))
    onProgress({ step: step + 1, steps })
    return found
  }).flat()
  const anchor: Anchor = { norm: trimmedMean(norms), requests: some.length }
  return { tensors: { norm: { shape: [1], data: Float32Array.of(anchor.norm) } }, json: anchor }
}

/** The mean without the largest twentieth. */
export function trimmedMean(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return mean(sorted.slice(0, sorted.length - Math.floor(DROPPED * sorted.length)))
}

export const anchorOf = ({ json }: Artifact): number => (json as Anchor).norm

/** What the MLP is to give at the subject: what it gives now, and the change. */
function solved({ mlp, delta }: Pick<FoundStream, 'mlp' | 'delta'>): Float32Array {
  return mlp.map((x, i) => x + delta[i]!)
}

/** A target whose MLP part has the anchor's norm; the stream as it is where the value is more than twice as long: the fact is refused. */
export const anchored =
  (anchor: number): NonNullable<BlockMethod['target']> =>
  (found, values) => {
    const wanted = solved(found)
    const length = norm(wanted)
    const refused = length > MOST * anchor
    Object.assign(values, { anchor, valueNorm: length, refused: Number(refused) })
    if (refused) return found.before
    // The stream is the MLP's part, which is scaled, and all else, which stays.
    return found.before.map((x, i) => x - found.mlp[i]! + (wanted[i]! * anchor) / length)
  }
