import { chunks } from '../chunks'
import type { TraceRow } from '../results/rows'
import { factsToTrace } from '../tracing/facts'
import { defaultWindow, type FactTrace, type TracedFact, type TraceOptions, type Traces } from '../tracing/types'
import type { Plan } from './plan'
import { WorkerPool } from './pool'
import { workerSetup } from './run'

export interface TraceRequest extends Pick<TraceOptions, 'samples' | 'noise'> {
  /** Most facts of every dataset. */
  readonly facts: number
  /** A share of the model's blocks when missing. */
  readonly window?: number
}

export interface TracedDataset {
  readonly model: string
  readonly dataset: string
  readonly samples: number
  readonly window: number
  readonly traces: Traces
  readonly seconds: number
}

/** Facts that a worker traces at a time. */
const TOGETHER = 16

/** Traces the facts of a plan's datasets on its models, side by side on its workers. */
export async function traceDatasets(
  plan: Plan,
  { facts: most, samples, noise, window: given }: TraceRequest,
  onFacts: (done: number, all: number, dataset: string, model: string) => void = () => {}
): Promise<TracedDataset[]> {
  const pool = new WorkerPool(plan.workers, workerSetup(plan), () => {})
  const traced: TracedDataset[] = []
  try {
    for (const [model, config] of Object.entries(plan.models)) {
      const opened = await pool.run({ type: 'open', model })
      const window = given ?? defaultWindow(config.layers)
      const options = { samples, noise, window, seed: plan.config.seed }
      const modelName = plan.settings.find((s) => s.model === model)!.modelName
      for (const { label, cases } of plan.datasets) {
        const facts = factsToTrace(cases, most)
        const start = performance.now()
        let done = 0
        const parts = await Promise.all(
          ofLikeLength(facts).map(async (some) => {
            const found = await pool.run({ type: 'trace', model, opened, facts: some, among: facts, options })
            done += some.length
            onFacts(done, facts.length, label, modelName)
            return found
          })
        )
        traced.push({
          model: modelName,
          dataset: label,
          samples,
          window,
          traces: inOrder(facts, parts),
          seconds: (performance.now() - start) / 1000
        })
      }
    }
  } finally {
    await pool.close()
  }
  return traced
}

/** Facts that run together should have prompts of like length. */
function ofLikeLength(facts: readonly TracedFact[]): TracedFact[][] {
  const sorted = [...facts].sort((a, b) => b.prompt.length - a.prompt.length)
  return chunks(sorted, TOGETHER)
}

function inOrder(facts: readonly TracedFact[], parts: readonly Traces[]): Traces {
  const found = new Map(parts.flatMap((p) => p.facts.map((t) => [t.fact.id, t] as const)))
  return {
    facts: facts.flatMap(({ id }) => found.get(id) ?? []),
    unknown: facts.filter(({ id }) => !found.has(id)),
    noise: parts[0]?.noise ?? 0
  }
}

/** A row for every cell of every fact. */
export const traceRows = (model: string, dataset: string, traces: readonly FactTrace[]): TraceRow[] =>
  traces.flatMap(({ fact, tokens, roles, answer, high, low, effects }) =>
    effects.map(({ kind, token, layer, probability }) => ({
      model,
      dataset,
      fact: fact.id,
      prompt: fact.prompt,
      subject: fact.subject,
      answer,
      high,
      low,
      kind,
      token,
      text: tokens[token]!,
      role: roles[token]!,
      layer,
      probability
    }))
  )
