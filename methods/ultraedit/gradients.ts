import { batchesByLength, type LanguageModel, padBatch } from '../../harness/model'
import type { AnswerRow } from '../answer-row'
import { outputGradients } from '../output-gradients'

/** What a linear map read at every answer token of a batch, `[in]`, and the gradient of the batch's loss at what it gave, `[out]`. */
export interface SiteRows {
  readonly inputs: readonly Float32Array[]
  readonly gradients: readonly Float32Array[]
}

export interface BatchStates {
  readonly sites: ReadonlyMap<string, SiteRows>
  readonly loss: number
  /** Answer tokens. */
  readonly tokens: number
}

/**
 * Inputs and output gradients of some linear maps at the answers' tokens. The loss of a batch is the mean over its answer tokens; batches are independent,
 * and rows of like lengths run together whatever batch they are of.
 * @param lowest block of the first of the maps: nothing below it is differentiated
 */
export function answerStates(
  model: LanguageModel,
  batches: readonly (readonly AnswerRow[])[],
  sites: readonly string[],
  lowest: number
): BatchStates[] {
  const rows = batches.flatMap((lessons, batch) => lessons.map((lesson) => ({ ...lesson, batch })))
  const tokens = batches.map((lessons) => lessons.reduce((sum, l) => sum + l.labels.length, 0))
  const found = rows.map(() => new Map<string, SiteRows>())
  const losses = rows.map(() => 0)
  for (const some of batchesByLength(rows.map((r) => r.ids.length))) {
    const own = some.map((i) => rows[i]!)
    const at = own.flatMap((r, row) =>
      r.labels.map((label, j) => ({ row, position: r.first + j, label, batch: r.batch }))
    )
    const padded = padBatch(own.map((r) => r.ids))
    const shares = at.map(({ batch }) => 1 / tokens[batch]!)
    const places = Int32Array.from(at, (a) => a.row * padded.seq + a.position)
    const { inputs, gradients, each } = outputGradients(model, padded, at, shares, places, sites, lowest)
    let start = 0
    for (const [k, i] of some.entries()) {
      const count = own[k]!.labels.length
      for (const [s, site] of sites.entries()) {
        const cut = (all: Float32Array) => {
          const width = all.length / at.length
          return Array.from({ length: count }, (_, j) => all.slice((start + j) * width, (start + j + 1) * width))
        }
        found[i]!.set(site, { inputs: cut(inputs[s]!), gradients: cut(gradients[s]!) })
      }
      losses[i] = each.subarray(start, start + count).reduce((sum, x) => sum + x, 0)
      start += count
    }
  }
  return batches.map((_, batch): BatchStates => {
    const own = [...rows.keys()].filter((i) => rows[i]!.batch === batch)
    const of = (site: string): SiteRows => ({
      inputs: own.flatMap((i) => found[i]!.get(site)!.inputs),
      gradients: own.flatMap((i) => found[i]!.get(site)!.gradients)
    })
    return {
      sites: new Map(sites.map((site) => [site, of(site)])),
      loss: own.reduce((sum, i) => sum + losses[i]!, 0) / tokens[batch]!,
      tokens: tokens[batch]!
    }
  })
}

/** Matrix FLOPs of a batch by its own tokens. */
export const statesFlops = (model: LanguageModel, lessons: readonly AnswerRow[], lowest: number): number =>
  lessons.reduce((sum, { ids, labels }) => {
    const [tokens, context] = [ids.length, ids.length]
    const below = model.passFlops(tokens, { to: lowest + 1, context })
    return sum + below + model.passFlops(tokens, { from: lowest + 1, context, logits: labels.length, backward: true })
  }, 0)
