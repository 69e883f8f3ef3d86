import { z } from 'zod'
import type { CarriedArray, Edit, EditRequest } from '../../harness/edit'
import type { LanguageModel, ModelConfig } from '../../harness/model'
import { norm } from '../../harness/tensor/linalg'
import { checkLayers } from '../layer'
import { type Fact, factOf, type LocatedFact, locate, together } from './facts'
import { contextTemplates, valueHyperparameters } from './hyperparameters'
import { type Insert, spread, spreadFlops } from './spread'
import { TRACED } from './traced'
import { type OptimisedValue, optimiseValues, valueFlops } from './value'

/*
 * What MEMIT and the methods after it do alike: a target z for the residual stream at every fact's subject after the last of some blocks, and parts of an
 * edit that bring the stream there.
 */

/** Names as in the hparams files of kmeng01/memit. */
export const blockHyperparameters = {
  layers: z
    .array(z.number().int().min(0))
    .min(1)
    .refine((layers) => layers.every((l, i) => i === 0 || l > layers[i - 1]!), 'must be in ascending order')
    .or(z.literal(TRACED))
    .describe(
      "Blocks whose W_proj are edited; the targets are sought after the last of them; 'traced': those around the one that causal tracing of facts of `train_on` suggests"
    ),
  ...valueHyperparameters(0.75, 'the residual stream before the edit'),
  context_templates: contextTemplates("the model's own texts after The, Therefore, Because, I and You")
}

/** As given. */
export type BlockHyperparameters = z.output<z.ZodObject<typeof blockHyperparameters>>

/** With the blocks that were found, where they were to be. */
export type WithBlocks = Omit<BlockHyperparameters, 'layers'> & { readonly layers: readonly number[] }

/** @throws UserError when the model has not all blocks that are given */
export const checkBlocks = (model: ModelConfig, { layers }: BlockHyperparameters): void => {
  if (layers !== TRACED) checkLayers(model, layers)
}

export const projections = (layers: readonly number[]): string[] => layers.map((layer) => `layers.${layer}.mlp.proj`)

/** Where no file in configs/methods knows the model: blocks about as deep as in those it knows. */
export const blockDefaults = (model: ModelConfig) => {
  const last = Math.max(0, Math.round(model.layers * 0.3) - 1)
  const first = Math.max(0, last - blockCount(model) + 1)
  return { layers: Array.from({ length: last - first + 1 }, (_, i) => first + i) }
}

/** How many blocks are edited together, where nobody says. */
export const blockCount = ({ layers }: ModelConfig): number => Math.max(1, Math.round(layers * 0.2))

/** Forward and backward through the blocks above the last edited one, for each of six contexts. */
export const blockPasses = (model: ModelConfig, h: BlockHyperparameters): number => {
  const [last, count] = h.layers === TRACED ? [0, blockCount(model)] : [h.layers.at(-1)!, h.layers.length]
  const above = (model.layers - last) / model.layers
  return (h.context_templates?.length ?? 6) * (1 + 2 * h.v_num_grad_steps * above + count / 2)
}

/** What a method does in its own way. */
export interface BlockMethod {
  readonly name: string
  readonly insert: Insert
  /** The target of a fact, `[dim]`: the stream before and its change, unless the method has another one. Numbers to keep are added to `values`. */
  target?(fact: LocatedFact, found: OptimisedValue, values: Record<string, number>): Float32Array
  /** What those need to know who edit on top of the edits of some groups. */
  carry?(groups: readonly CarryOf[]): readonly Readonly<Record<string, CarriedArray>>[]
}

/** A group whose edit is made. */
export interface CarryOf {
  readonly facts: readonly Fact[]
  readonly parts: Edit['parts']
}

/** One edit for every group; groups whose facts fit run together. */
export async function* blockEdits(
  model: LanguageModel,
  groups: readonly (readonly EditRequest[])[],
  h: WithBlocks,
  contexts: readonly string[],
  method: BlockMethod
): AsyncGenerator<Edit[]> {
  const last = h.layers.at(-1)!
  let first = 0
  for (const some of groupsTogether(groups.map((g) => g.map((r) => factOf(model.tokenizer, contexts, r))))) {
    const facts = some.flat()
    const values: Record<string, number>[] = []
    const losses: (readonly number[])[] = []
    const targets: Float32Array[] = []
    const flops: number[] = []
    for (const chunk of together(facts)) {
      const located = locate(model, chunk, last)
      const sought = { ...h, layer: last, at: 'block' as const }
      const found = optimiseValues(model, located, sought)
      for (const [i, fact] of located.entries()) {
        const value = found[i]!
        const { nll, kl, before, delta } = value
        const own = { nll, kl, deltaNorm: norm(delta), streamNorm: norm(before) }
        targets.push(method.target?.(fact, value, own) ?? before.map((x, d) => x + delta[d]!))
        values.push(own)
        losses.push(value.losses)
        flops.push(valueFlops(model, fact, value.losses.length, sought) + spreadFlops(model, fact, h.layers))
      }
    }
    const starts = some.map((_, g) => some.slice(0, g).reduce((sum, group) => sum + group.length, 0))
    const asked = some.map((group, g) => ({
      facts: group,
      targets: targets.slice(starts[g]!, starts[g]! + group.length)
    }))
    const offset = first
    const parts = spread(model, asked, h.layers, (layer, lesson, g) => method.insert(layer, lesson, offset + g))
    const carries = method.carry?.(some.map((own, g) => ({ facts: own, parts: parts[g]! })))
    yield some.map((group, g): Edit => {
      const own = <T>(all: readonly T[]) => all.slice(starts[g]!, starts[g]! + group.length)
      const carry = carries?.[g]
      return {
        method: method.name,
        requests: group.map((f) => f.request),
        parts: parts[g]!,
        ...(carry === undefined ? {} : { carry }),
        diagnostics: {
          // Of a group of many, what its facts come to in the mean.
          ...(group.length === 1 ? { lossCurve: losses[starts[g]!]! } : {}),
          flops: own(flops).reduce((a, b) => a + b, 0),
          values: meanOf(own(values))
        }
      }
    })
    first += some.length
  }
}

/** Groups, in their order, as many as are located together; a large one alone. */
function groupsTogether(groups: readonly (readonly Fact[])[]): (readonly Fact[])[][] {
  const sets: (readonly Fact[])[][] = []
  let facts: Fact[] = []
  for (const group of groups) {
    facts = [...facts, ...group]
    if (sets.length > 0 && together(facts).length === 1) sets.at(-1)!.push(group)
    else {
      sets.push([group])
      facts = [...group]
    }
  }
  return sets
}

function meanOf(values: readonly Record<string, number>[]): Record<string, number> {
  const keys = Object.keys(values[0]!)
  return Object.fromEntries(keys.map((k) => [k, values.reduce((sum, v) => sum + v[k]!, 0) / values.length]))
}
