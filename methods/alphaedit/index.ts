import { z } from 'zod'
import type { CarriedArray } from '../../harness/edit'
import { Cholesky } from '../../harness/tensor/linalg'
import {
  blockDefaults,
  blockEdits,
  blockHyperparameters,
  blockPasses,
  checkBlocks,
  projections,
  STREAM,
  streamsOf
} from '../locate/block-edits'
import { type Cost, leastChange, partOf, products } from '../locate/closed-form'
import { startedTemplates } from '../locate/contexts'
import { momentHyperparameters, momentOptions } from '../locate/hyperparameters'
import { LEARNT_BY, learn, learnsSomething, learnt } from '../locate/learnt'
import { anchored, anchorHyperparameters } from '../locate/norm-anchor'
import { secondMoments } from '../locate/second-moment'
import { subjectsUnder } from '../locate/spread'
import { defineMethod } from '../types'
import { type NullSpace, nullSpace } from './null-space'

export const alphaeditHyperparameters = z.strictObject({
  ...blockHyperparameters,
  ...momentHyperparameters,
  ...anchorHyperparameters,
  nullspace_threshold: z
    .number()
    .positive()
    .default(2e-2)
    .describe('Directions of keys whose eigenvalue in the second moment is smaller are free to change'),
  L2: z.number().positive().default(10).describe('What a change costs in them')
})

/** AlphaEdit: MEMIT's targets, written only where the corpus has no keys, and kept away from the keys of earlier edits (README.md). */
export const alphaedit = defineMethod({
  name: 'alphaedit',
  title: 'AlphaEdit',
  family: 'locate-then-edit',
  source: 'Fang et al. 2025, arXiv 2410.02355',
  holdsMany: true,
  hyperparameters: alphaeditHyperparameters,
  defaults: blockDefaults,
  passesPerToken: (model, h) => blockPasses(model, h),
  check: (model, h) => checkBlocks(model, h),
  trainedBy: LEARNT_BY,
  learns: learnsSomething,
  train: (model, cases, h, context) => learn(model, cases, h, context),

  async prepare(model, h, context, artifact) {
    const found = learnt(model.config, h, artifact)
    const contexts = startedTemplates(model, h, context)
    const sites = projections(found.layers)
    const moments = secondMoments(model, sites, momentOptions(model.config, h), context)
    const spaces = moments.map((C, i) => nullSpace(C, sites[i]!, h.nullspace_threshold, context))
    return { contexts, spaces, ...found }
  },

  search: STREAM,
  find: (model, requests, h, { contexts, layers }) => streamsOf(model, requests, { ...h, layers }, contexts),

  async *edit(model, groups, given, context, { contexts, spaces, layers, anchor }) {
    const h = { ...given, layers }
    const { before, goesOn } = context
    const { dim, ffDim } = model.config
    const spaceOf = (layer: number): NullSpace => spaces[h.layers.indexOf(layer)]!
    // Keys of the edits before, as those left them: nothing of groups that are independent.
    const held = new Map(h.layers.map((layer) => [layer, heldKeys(before?.carry?.[`keys.${layer}`], ffDim, h.L2)]))
    yield* blockEdits(model, groups, h, contexts, context, {
      name: 'alphaedit',
      ...(anchor === undefined ? {} : { target: anchored(anchor) }),
      insert(layer, { keys, values }) {
        const [site] = projections([layer])
        const projected = keys.map((k) => spaceOf(layer).project(k))
        return partOf(site!, leastChange(held.get(layer)!, projected, values), dim, ffDim)
      },
      ...(goesOn !== true
        ? {}
        : {
            carry: (made) =>
              made.map(({ facts, parts }) => {
                const edit = { method: '', requests: [], parts, diagnostics: {} }
                const carried = h.layers.map((layer): [string, CarriedArray] => {
                  const keys = subjectsUnder(model, facts, layer, layer, () => edit)
                  const projected = keys.map(({ key }) => spaceOf(layer).project(key))
                  return [`keys.${layer}`, held.get(layer)!.with(projected)]
                })
                return Object.fromEntries(carried)
              })
          })
    })
  }
})

/** L₂·I and the keys of earlier edits, projected: what a change costs beside them. */
class HeldKeys implements Cost {
  constructor(
    readonly n: number,
    readonly keys: readonly Float32Array[],
    readonly factor: Cholesky | undefined,
    readonly L2: number
  ) {}

  solve(b: ArrayLike<number>): Float64Array {
    return this.factor?.solve(b) ?? Float64Array.from(b, (x) => x / this.L2)
  }

  matrix(): Float64Array {
    const matrix = this.keys.length === 0 ? new Float64Array(this.n ** 2) : products(this.keys, this.keys)
    for (let i = 0; i < this.n; i++) matrix[i * this.n + i] = matrix[i * this.n + i]! + this.L2
    return matrix
  }

  /** These keys and more, as an array to carry. What is factored already is remembered with it. */
  with(more: readonly Float32Array[]): CarriedArray {
    const keys = [...this.keys, ...more]
    const data = new Float32Array(keys.length * this.n)
    for (const [i, key] of keys.entries()) data.set(key, i * this.n)
    const carried = { shape: [keys.length, this.n], data }
    const factor =
      this.factor?.updated(more) ?? new Cholesky(new HeldKeys(this.n, keys, undefined, this.L2).matrix(), this.n)
    FACTORS.set(carried, { factor, L2: this.L2 })
    return carried
  }
}

/** Factors of what was carried in this process: a sequence need not factor all its keys anew at every edit. */
const FACTORS = new WeakMap<CarriedArray, { readonly factor: Cholesky; readonly L2: number }>()

function heldKeys(carried: CarriedArray | undefined, n: number, L2: number): HeldKeys {
  if (carried === undefined) return new HeldKeys(n, [], undefined, L2)
  const keys = Array.from({ length: carried.data.length / n }, (_, i) => carried.data.subarray(i * n, (i + 1) * n))
  const known = FACTORS.get(carried)
  const factor = known?.L2 === L2 ? known.factor : new Cholesky(new HeldKeys(n, keys, undefined, L2).matrix(), n)
  return new HeldKeys(n, keys, factor, L2)
}
