import { z } from 'zod'
import { chunks } from '../../harness/chunks'
import type { CarriedArray, Edit, EditRequest } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { norm } from '../../harness/tensor/linalg'
import { answerRow } from '../answer-row'
import { type Cost, leastChange, partOf } from '../locate/closed-form'
import { checkMaps, lowestOf, mlpMaps, refuseMissing } from '../mlp-maps'
import { defineMethod } from '../types'
import { answerStates, type SiteRows, statesFlops } from './gradients'
import { RunningNormaliser } from './normaliser'

export const ultraeditHyperparameters = z.strictObject({
  edit_modules: mlpMaps,
  lr: z.number().positive().default(1e-6).describe('How far outputs go against their gradient, in whitened units'),
  batch_size: z
    .number()
    .int()
    .min(1)
    .default(10)
    .describe('Requests behind one mean loss, and one update of the normaliser')
})
type UltraeditHyperparameters = z.output<typeof ultraeditHyperparameters>

/** UltraEdit: one step against the gradient at the answers' tokens, whitened by all edits so far, solved for by ridge regression (README.md). */
export const ultraedit = defineMethod({
  name: 'ultraedit',
  title: 'UltraEdit',
  family: 'locate-then-edit',
  source: 'Gu et al. 2025, arXiv 2505.14679',
  holdsMany: true,
  hyperparameters: ultraeditHyperparameters,
  /** W_proj of the blocks from two thirds on, but the last, as on GPT-J. */
  defaults: ({ layers }) => {
    const first = Math.min(layers - 1, Math.round((layers * 2) / 3))
    const last = Math.max(first, layers - 2)
    return { edit_modules: Array.from({ length: last - first + 1 }, (_, i) => `layers.${first + i}.mlp.proj`) }
  },
  passesPerToken: (model, h) => 1 + 2 * (1 - lowestOf(h) / model.layers),
  check: (model, h) => checkMaps(model, h),

  async *edit(model, groups, h, { before, goesOn }) {
    const sites = h.edit_modules
    refuseMissing(model, h)
    // What one group learns of others is nothing: each begins with what the edits before have left.
    const lessons = groups.map((group) => batchesOf(model, group, h.batch_size))
    const states = answerStates(model, lessons.flat(), sites, lowestOf(h))
    let next = 0
    yield groups.map((group, g): Edit => {
      const batches = lessons[g]!.map(() => states[next++]!)
      const { parts, normalisers } = solve(model, sites, batches, before?.carry, h)
      const loss =
        batches.reduce((sum, b) => sum + b.loss * b.tokens, 0) / batches.reduce((sum, b) => sum + b.tokens, 0)
      return {
        method: 'ultraedit',
        requests: group,
        parts,
        ...(goesOn === true ? { carry: carriedBy(normalisers) } : {}),
        diagnostics: {
          lossCurve: [loss],
          flops: lessons[g]!.reduce((sum, batch) => sum + statesFlops(model, batch, lowestOf(h)), 0)
        }
      }
    })
  }
})

/** Requests in batches, the longest first. */
function batchesOf(model: LanguageModel, group: readonly EditRequest[], size: number) {
  const asked = group.map((request) => answerRow(model, request)).sort((a, b) => b.ids.length - a.ids.length)
  return chunks(asked, size)
}

/** Maps of one shape share a normaliser: `in`×`out`. */
type Normalisers = ReadonlyMap<string, RunningNormaliser>
const PREFIX = 'normaliser.'

const carriedBy = (normalisers: Normalisers): Record<string, CarriedArray> =>
  Object.fromEntries([...normalisers].map(([shape, own]) => [`${PREFIX}${shape}`, own.carried()]))

/** What a change costs: as much in every direction. */
const unitCost = (n: number): Cost => ({
  n,
  solve: (b) => Float64Array.from(b),
  matrix: () => Float64Array.from({ length: n * n }, (_, i) => Number(i % (n + 1) === 0))
})

function solve(
  model: LanguageModel,
  sites: readonly string[],
  batches: readonly { readonly sites: ReadonlyMap<string, SiteRows> }[],
  carried: Edit['carry'],
  h: UltraeditHyperparameters
): { parts: Edit['parts']; normalisers: Normalisers } {
  const normalisers = new Map<string, RunningNormaliser>()
  const shapeOf = (site: string) => model.weightShape(`${site}.weight`) as [number, number]
  const normaliserOf = (site: string) => {
    const [out, width] = shapeOf(site)
    const shape = `${width}x${out}`
    const known = normalisers.get(shape)
    if (known !== undefined) return known
    const before = carried?.[`${PREFIX}${shape}`]
    const made = before === undefined ? new RunningNormaliser(width + out) : RunningNormaliser.from(before)
    normalisers.set(shape, made)
    return made
  }
  // Batch by batch, map by map, as the rows come.
  for (const batch of batches) for (const site of sites) normaliserOf(site).add(joined(batch.sites.get(site)!))
  const parts = sites.map((site) => {
    const [out, width] = shapeOf(site)
    const normaliser = normaliserOf(site)
    if (normaliser.count < 2)
      throw new UserError('a single answer token has no spread to be measured by', {
        hint: 'UltraEdit is for many edits: a batch, or a sequence'
      })
    const rows = batches.map((b) => b.sites.get(site)!)
    const keys = rows.flatMap((r) => r.inputs)
    const values = rows.flatMap(joined).map((row) => {
      const whitened = normaliser.normalise(row)
      const step = -h.lr * norm(whitened.subarray(0, width)) ** 2
      return Float32Array.from(whitened.subarray(width), (x) => step * x)
    })
    return partOf(site, leastChange(unitCost(width), keys, values), out, width)
  })
  return { parts, normalisers }
}

/** Inputs and gradients side by side. */
const joined = ({ inputs, gradients }: SiteRows): Float32Array[] =>
  inputs.map((input, i) => Float32Array.of(...input, ...gradients[i]!))
