import { z } from 'zod'
import type { Edit, EditPart, EditRequest } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import { encodePrompt, encodeTarget, type LanguageModel } from '../../harness/model'
import { norm } from '../../harness/tensor/linalg'
import { startedTemplates } from '../locate/contexts'
import { contextTemplates } from '../locate/hyperparameters'
import { defineMethod } from '../types'
import { attributions, type Question } from './attribution'

export const knHyperparameters = z.strictObject({
  steps: z.number().int().min(1).default(20).describe('Points of the integral'),
  points: z
    .enum(['left', 'ends'])
    .default('left')
    .describe("Where they are: 'left' 0 to (m-1)/m (the paper), 'ends' 0 to 1 with both (EasyEdit)"),
  unit: z
    .enum(['activation', 'pre-activation'])
    .default('activation')
    .describe('What a neuron is: what W_proj reads (the paper), or what goes into the activation function (EasyEdit)'),
  adaptive_threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.2)
    .describe('Neurons are kept whose attribution is above this share of the largest'),
  refine: z
    .boolean()
    .default(false)
    .describe("Keep the neurons that several ways of asking share: the prompt alone, and after the model's own texts"),
  p: z.number().min(0).max(1).default(0.7).describe('Share of the ways above which a neuron is shared'),
  context_templates: contextTemplates('generated ones'),
  update: z
    .enum(['norm', 'plain'])
    .default('norm')
    .describe(
      "How values change: 'norm' by embeddings as long as themselves (the paper), 'plain' by embeddings as they are, twice that of an old answer of one token (EasyEdit)"
    ),
  norm_lambda1: z.number().min(0).default(1).describe("Of the old answer's embedding, for 'norm'"),
  norm_lambda2: z.number().min(0).default(8).describe("Of the new answer's embedding, for 'norm'")
})
type KnHyperparameters = z.output<typeof knHyperparameters>

/** Knowledge Neurons: finds the neurons that an answer rests on, and turns their values from the old answer to the new one (README.md). */
export const kn = defineMethod({
  name: 'kn',
  title: 'KN',
  family: 'locate-then-edit',
  source: 'Dai et al. 2022, arXiv 2104.08696',
  holdsMany: false,
  hyperparameters: knHyperparameters,
  passesPerToken: (_, h) => 2 * h.steps,

  async prepare(model, h, context) {
    return { templates: h.refine ? startedTemplates(model, h, context) : ['{}'] }
  },

  async *edit(model, groups, h, _, { templates }) {
    const asked = groups.map(([request]) => factOf(model, request!, templates))
    const scores = attributions(
      model,
      asked.flatMap((a) => a.ways.flat()),
      h
    )
    let next = 0
    yield asked.map(({ request, ways, old }): Edit => {
      const perWay = ways.map((questions) => meanOf(questions.map(() => scores[next++]!)))
      const neurons = shared(
        perWay.map((s) => coarse(s, h.adaptive_threshold)),
        h.refine ? h.p : 0
      )
      if (neurons.length === 0)
        throw new UserError('no neuron speaks for the old answer', {
          hint: "its probability does not rise with any: lower adaptive_threshold, or p where 'refine' is on"
        })
      const parts = valuesTurned(model, neurons, old, encodeTarget(model.tokenizer, request.target), h)
      const values = { neurons: neurons.length, largest: largest(perWay[0]!) }
      return {
        method: 'kn',
        requests: [request],
        parts,
        diagnostics: { flops: flopsOf(model, ways.flat(), h), values }
      }
    })
  }
})

interface Asked {
  readonly request: EditRequest
  /** For every way of asking, a question for every token of the old answer. */
  readonly ways: readonly (readonly Question[])[]
  /** What the model says now, as many tokens as the new answer has. */
  readonly old: readonly number[]
}

function factOf(model: LanguageModel, request: EditRequest, templates: readonly string[]): Asked {
  const { tokenizer } = model
  const count = encodeTarget(tokenizer, request.target).length
  const [old] = model.generate([{ prompt: request.prompt }], { maxNewTokens: count, pastEnd: true }) as [number[]]
  const gold = request.previousTarget === undefined ? old.slice(0, 1) : encodeTarget(tokenizer, request.previousTarget)
  const ways = templates.map((template) => {
    const ids = encodePrompt(
      tokenizer,
      template.replace('{}', () => request.prompt)
    )
    return gold.map((token, i): Question => ({ ids: [...ids, ...gold.slice(0, i)], gold: token }))
  })
  return { request, ways, old }
}

function meanOf(scores: readonly Float32Array[]): Float32Array {
  return scores[0]!.map((_, i) => scores.reduce((sum, s) => sum + s[i]!, 0) / scores.length)
}

/** `layer · dFf + index` of the neurons above a share of the largest attribution. */
export function coarse(scores: Float32Array, share: number): number[] {
  const threshold = share * largest(scores)
  return [...scores.keys()].filter((i) => scores[i]! > threshold)
}

const largest = (scores: Float32Array): number => scores.reduce((m, s) => Math.max(m, s), Number.NEGATIVE_INFINITY)

/** Those in more than a share p of the sets. */
export function shared(sets: readonly (readonly number[])[], p: number): number[] {
  const counts = new Map<number, number>()
  for (const neuron of sets.flat()) counts.set(neuron, (counts.get(neuron) ?? 0) + 1)
  return [...counts].filter(([, count]) => count > p * sets.length).map(([neuron]) => neuron)
}

/** The change of the neurons' values, a product of two vectors a block: the same direction for all of them. */
function valuesTurned(
  model: LanguageModel,
  neurons: readonly number[],
  old: readonly number[],
  target: readonly number[],
  h: KnHyperparameters
): EditPart[] {
  const { dim, ffDim } = model.config
  const embeddings = model.weight('embed.weight').dataSync() as Float32Array
  const embedding = (ids: readonly number[]) => {
    const sum = new Float64Array(dim)
    for (const id of ids) for (let i = 0; i < dim; i++) sum[i] = sum[i]! + embeddings[id * dim + i]!
    return sum
  }
  const [from, to] = [embedding(old), embedding(target)]
  const [less, more] =
    h.update === 'plain'
      ? [old.length === 1 ? 2 : 1, 1]
      : [h.norm_lambda1 / (norm(from) || 1), h.norm_lambda2 / (norm(to) || 1)]
  const u = Float32Array.from(from, (x, i) => more * to[i]! - less * x)
  const layers = [...new Set(neurons.map((n) => Math.floor(n / ffDim)))].sort((a, b) => a - b)
  return layers.map((layer) => {
    const own = neurons.filter((n) => Math.floor(n / ffDim) === layer).map((n) => n % ffDim)
    const weight = model.weight(`layers.${layer}.mlp.proj.weight`).dataSync() as Float32Array // [dim, dFf]
    const v = new Float32Array(ffDim)
    for (const j of own)
      v[j] = h.update === 'plain' ? 1 : norm(Float64Array.from({ length: dim }, (_, i) => weight[i * ffDim + j]!))
    return { kind: 'low-rank', site: `layers.${layer}.mlp.proj`, rank: 1, out: dim, in: ffDim, u, v }
  })
}

/** Matrix FLOPs of a fact's attributions. */
function flopsOf(model: LanguageModel, questions: readonly Question[], { steps }: KnHyperparameters): number {
  const blocks = Array.from({ length: model.config.layers }, (_, l) => l)
  return questions.reduce((sum, { ids }) => {
    const context = ids.length
    const clean = model.passFlops(context, { context })
    const above = blocks.reduce(
      (s, from) => s + steps * model.passFlops(1, { from, context, logits: 1, backward: true }),
      0
    )
    return sum + clean + above
  }, 0)
}
