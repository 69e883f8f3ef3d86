import type { EditCase } from '../../datasets/types'
import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { averageEffects, suggestedLayer } from '../../harness/tracing/effects'
import { factsToTrace } from '../../harness/tracing/facts'
import { traceFacts } from '../../harness/tracing/trace'
import { defaultWindow } from '../../harness/tracing/types'
import type { Artifact, TrainingContext } from '../types'

/*
 * `layer: traced`: the block is not given, but found by causal tracing of facts of the training data, before anything is edited. What it rests on is stored
 * with it.
 */

/** In place of a block's number. */
export const TRACED = 'traced'

/** Facts behind the choice; noises of each; facts between two words of progress. */
const [FACTS, SAMPLES, STEP] = [60, 5, 15]

/** What is stored: the block, and the average indirect effects that it was chosen by. */
interface TracedLayer {
  readonly layer: number
  readonly facts: number
  readonly window: number
  readonly totalEffect: number
  /** Of MLPs given back at the subject's last token, by block: mean and 95 % interval. */
  readonly effects: readonly {
    readonly layer: number
    readonly mean: number
    readonly low: number
    readonly high: number
  }[]
}

export async function traceLayer(
  model: LanguageModel,
  cases: AsyncIterable<EditCase>,
  { seed, onProgress }: TrainingContext
): Promise<Artifact> {
  const some: EditCase[] = []
  for await (const c of cases) {
    some.push(c)
    if (some.length >= 2 * FACTS) break
  }
  const facts = factsToTrace(some, FACTS)
  const window = defaultWindow(model.config.layers)
  const steps = Math.ceil(facts.length / STEP)
  const traces = Array.from({ length: steps }, (_, step) => {
    const part = facts.slice(step * STEP, (step + 1) * STEP)
    const found = traceFacts(model, part, { samples: SAMPLES, noise: 3, window, seed }, facts)
    onProgress({ step: step + 1, steps })
    return found.facts
  }).flat()
  const effects = averageEffects(traces, seed)
  if (effects === undefined)
    throw new UserError(`${model.name} knows none of the ${facts.length} facts that are traced`, {
      place: 'layer',
      hint: "give the block's number, or facts that the model knows: train_on"
    })
  const { layer } = suggestedLayer(effects)
  const found: TracedLayer = {
    layer,
    facts: effects.facts,
    window,
    totalEffect: effects.total.mean,
    effects: effects.average
      .filter((e) => e.kind === 'mlp' && e.role === 'last subject token')
      .map(({ layer: at, effect: { mean, low, high } }) => ({ layer: at, mean, low, high }))
  }
  return { tensors: { layer: { shape: [1], data: Float32Array.of(layer) } }, json: found }
}

/** The block that was found. */
export const tracedLayer = ({ json }: Artifact): number => (json as TracedLayer).layer
