import { z } from 'zod'
import type { CarriedArray, Edit, EditRequest } from '../../harness/edit'
import type { LanguageModel, ModelConfig } from '../../harness/model'
import { norm } from '../../harness/tensor/linalg'
import { checkLayers } from '../layer'
import type { EditContext, Search } from '../types'
import { type Fact, factOf, locate, together } from './facts'
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

/** What is found for a fact: the residual stream after the last block and its change. */
export interface FoundStream extends OptimisedValue {
  /** What the block's MLP gives in the first context, at the subject's last token, `[dim]`. */
  readonly mlp: Float32Array
}

/** What methods of this kind seek, and find. */
export const STREAM: Search = { name: 'stream', by: Object.keys(blockHyperparameters) }

/** @param contexts texts with `{}` where a fact's prompt goes */
export const streamsOf = (
  model: LanguageModel,
  requests: readonly EditRequest[],
  h: WithBlocks,
  contexts: readonly string[]
): FoundStream[] =>
  findStreams(
    model,
    requests.map((r) => factOf(model.tokenizer, contexts, r)),
    h
  )

/** The stream and its change for every fact, as many together as fit. */
export function findStreams(model: LanguageModel, facts: readonly Fact[], h: WithBlocks): FoundStream[] {
  return together(facts).flatMap((some) => {
    const located = locate(model, some, h.layers.at(-1)!)
    const found = optimiseValues(model, located, soughtBy(h))
    return located.map(({ states }, i) => ({ ...found[i]!, mlp: states[0]!.value }))
  })
}

const soughtBy = (h: WithBlocks) => ({ ...h, layer: h.layers.at(-1)!, at: 'block' as const })

/** What a method does in its own way. */
export interface BlockMethod {
  readonly name: string
  readonly insert: Insert
  /** The target of a fact, `[dim]`: the stream before and its change, unless the method has another one. Numbers to keep are added to `values`. */
  target?(found: FoundStream, values: Record<string, number>): Float32Array
  /** What those need to know who edit on top of the edits of some groups. */
  carry?(groups: readonly CarryOf[]): readonly Readonly<Record<string, CarriedArray>>[]
}

/** A group whose edit is made. */
export interface CarryOf {
  readonly facts: readonly Fact[]
  readonly parts: Edit['parts']
}

/** One edit for every group; groups whose facts fit run together. What was found before is not sought again. */
export async function* blockEdits(
  model: LanguageModel,
  groups: readonly (readonly EditRequest[])[],
  h: WithBlocks,
  contexts: readonly string[],
  { found }: Pick<EditContext, 'found'>,
  method: BlockMethod
): AsyncGenerator<Edit[]> {
  let first = 0
  for (const some of groupsTogether(groups.map((g) => g.map((r) => factOf(model.tokenizer, contexts, r))))) {
    const facts = some.flat()
    const known = facts.map(({ request }) => found?.(request) as FoundStream | undefined)
    const sought = findStreams(
      model,
      facts.filter((_, i) => known[i] === undefined),
      h
    )
    const streams = known.map((stream) => stream ?? sought.shift()!)
    const values = streams.map(({ nll, kl, before, delta }): Record<string, number> => {
      return { nll, kl, deltaNorm: norm(delta), streamNorm: norm(before) }
    })
    const targets = streams.map(
      (stream, i) => method.target?.(stream, values[i]!) ?? stream.before.map((x, d) => x + stream.delta[d]!)
    )
    const flops = facts.map(
      (fact, i) => valueFlops(model, fact, streams[i]!.losses.length, soughtBy(h)) + spreadFlops(model, fact, h.layers)
    )
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
          ...(group.length === 1 ? { lossCurve: streams[starts[g]!]!.losses } : {}),
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
