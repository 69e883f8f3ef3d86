import type { ModelConfig } from '../model/types'
import { useBackend } from '../tensor'
import { activeOrtBackend } from '../tensor/onnxruntime/backend'
import { sgemmRate } from '../tensor/sgemm'
import type { Plan } from './plan'

export interface Estimate {
  readonly flops: number
  /** Best rate of matrix products here. */
  readonly gflopsPerSecond: number
  readonly seconds: number
}

/** Share of the best rate that real passes reach: small products, and the work between them. */
const EFFICIENCY = 0.35
/** Rate to reckon with where no kernel is fast enough to measure. */
const PLAIN_JAVASCRIPT = 1
/** English text by byte-pair encodings. */
const CHARACTERS_A_TOKEN = 3.5
/** Continuations that are scored for a probe, on average over the datasets. */
const SCORED_A_PROBE = 1.5

/** About how much work a plan is, from text lengths and matrix FLOPs; good to a factor of two or so. */
export async function estimateRun(plan: Plan): Promise<Estimate> {
  const backend = await useBackend(plan.config.backend)
  const ort = activeOrtBackend()
  const gflopsPerSecond = ort === undefined ? PLAIN_JAVASCRIPT : sgemmRate(ort)
  let flops = 0
  const bases = new Set<string>()
  for (const { model, dataset, method, editing, protocol, cases } of plan.settings) {
    const config = plan.models[model]!
    const probes = cases.flatMap((c) => c.probes)
    // In a sequence the cases so far are asked again at every checkpoint.
    const again = protocol.kind === 'sequential' ? protocol.askAfter.reduce((a, b) => a + b, 0) / cases.length : 0
    const scoring =
      probes.reduce((sum, p) => sum + tokens(p.prompt) * SCORED_A_PROBE, 0) * (1 + again) * passFlops(config)
    const base = `${model} ${dataset.hash}`
    flops += bases.has(base) ? scoring : 2 * scoring
    bases.add(base)
    const perToken = editing.passesPerToken?.(config, method.hyperparameters) ?? 0
    const written = cases.flatMap((c) => c.requests)
    flops += written.reduce((sum, { prompt }) => sum + tokens(prompt), 0) * perToken * passFlops(config)
  }
  const usable = backend.name === 'cpu' ? 1 : EFFICIENCY
  return { flops, gflopsPerSecond, seconds: flops / (gflopsPerSecond * 1e9 * usable) }
}

const tokens = (text: string): number => text.length / CHARACTERS_A_TOKEN + 3

/** FLOPs of one token through all blocks and the head. */
const passFlops = (c: ModelConfig): number => 2 * (c.layers * (4 * c.dim ** 2 + 2 * c.dim * c.ffDim) + c.dim * c.vocab)
