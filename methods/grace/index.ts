import * as tf from '@tensorflow/tfjs-core'
import { z } from 'zod'
import { chunks } from '../../harness/chunks'
import type { CarriedArray, Edit, EditRequest } from '../../harness/edit'
import { type CodebookPart, REPLACEMENTS } from '../../harness/edit/kinds/codebook'
import type { LanguageModel } from '../../harness/model'
import { randomStream } from '../../harness/random'
import { linear, valuesOf } from '../../harness/tensor'
import { answerRow } from '../answer-row'
import { checkLayer } from '../layer'
import { defineMethod, type EditContext } from '../types'
import { type Book, type Placed, placed } from './book'
import { graceFlops, type Lesson, lessonsOf, trainValues } from './value'

/** Names as in the configurations of Thartvigsen/GRACE and EasyEdit. */
export const graceHyperparameters = z.strictObject({
  layer: z.number().int().min(0).describe('Block whose MLP the codebook is at'),
  module: z
    .enum(['proj', 'fc'])
    .default('proj')
    .describe("Which of its linear maps: 'proj' back into the stream, 'fc' into the neurons"),
  eps: z
    .number()
    .positive()
    .default(1)
    .describe('Radius of a new entry, in Euclidean distance of what goes into the map'),
  eps_expand: z
    .enum(['coverage', 'moving_average'])
    .default('coverage')
    .describe(
      "What an entry does for a fact of its own target that is not far from it: 'coverage' grows up to it, 'moving_average' moves half-way as well"
    ),
  edit_lr: z.number().positive().default(1).describe('Learning rate of Adam for the value'),
  n_iter: z.number().int().min(1).default(100).describe('Steps for the value'),
  val_init: z
    .enum(['cold', 'warm'])
    .default('cold')
    .describe("What a value starts from: 'cold' uniform in 0 to 1, 'warm' what the map gives"),
  replacement: z
    .enum(REPLACEMENTS)
    .default('replace_last')
    .describe("Where it stands: 'replace_last' at the prompt's last token, 'replace_prompt' at all before it")
})
type GraceHyperparameters = z.output<typeof graceHyperparameters>

/** Facts whose values are trained side by side. */
const TOGETHER = 64

/** General Retrieval Adaptors for Continual Editing: a codebook at one linear map, whose weights stay as they are (README.md). */
export const grace = defineMethod({
  name: 'grace',
  title: 'GRACE',
  family: 'additional-parameters',
  source: 'Hartvigsen et al. 2023, arXiv 2211.11031',
  holdsMany: false,
  hyperparameters: graceHyperparameters,
  // The block third from last, as EasyEdit's of GPT-J.
  defaults: ({ layers }) => ({ layer: Math.max(0, layers - 3) }),
  check: (model, h) => checkLayer(model, h.layer),
  passesPerToken: ({ layers }, h) => 1 + (3 * h.n_iter * (layers - h.layer)) / layers,

  async *edit(model, groups, h, context) {
    const site = `layers.${h.layer}.mlp.${h.module}`
    const book = bookBefore(context, site)
    for (const some of chunks(groups, TOGETHER)) {
      const requests = some.map(([request]) => request!)
      const lessons = lessonsOf(
        model,
        requests.map((r) => answerRow(model, r)),
        h.layer,
        site
      )
      const places = lessons.map(({ query, labels }) => placed(book, query, labels, h))
      const values = lessons.map((lesson, i) =>
        Float32Array.from(places[i]!.value ?? newValue(model, requests[i]!, lesson, site, h, context))
      )
      const losses = trainValues(model, lessons, values, site, h)
      yield lessons.map((lesson, i): Edit => {
        const place = places[i]!
        const { entry, radius } = place
        const carry = context.goesOn === true ? { carry: { labels: labelsWith(book, entry, lesson.labels) } } : {}
        return {
          method: 'grace',
          requests: [requests[i]!],
          parts: [partOf(place, values[i]!, book, site, h)],
          ...carry,
          diagnostics: {
            lossCurve: losses[i]!,
            flops: graceFlops(model, lesson, h),
            values: { entry, radius, entries: Math.max(entry + 1, book.labels.length) }
          }
        }
      })
    }
  }
})

/** The same for a fact in any company. */
function newValue(
  model: LanguageModel,
  { prompt, target }: EditRequest,
  { query }: Lesson,
  site: string,
  { val_init }: GraceHyperparameters,
  { seed }: EditContext
): ArrayLike<number> {
  const weight = model.weight(`${site}.weight`) as tf.Tensor2D
  if (val_init === 'cold') {
    const random = randomStream(seed, 'grace', JSON.stringify([prompt, target]))
    return Float32Array.from({ length: weight.shape[0] }, () => random.uniform())
  }
  const bias = model.weightShape(`${site}.bias`) && (model.weight(`${site}.bias`) as tf.Tensor1D)
  return valuesOf(() => linear(tf.tensor2d(query, [1, query.length]), weight, bias))
}

/** The entries that this edit adds or changes, in the order of their numbers. */
function partOf(
  { entry, key, radius, shrunk }: Placed,
  value: Float32Array,
  { part }: Book,
  site: string,
  { replacement }: GraceHyperparameters
): CodebookPart {
  const sizes = { in: key.length, out: value.length }
  const common = { kind: 'codebook' as const, site, replacement, ...sizes }
  if (shrunk === undefined)
    return { ...common, entries: 1, numbers: [entry], keys: key.slice(), values: value, radii: Float32Array.of(radius) }
  // Numbers are places in the book, so that the one that gives way comes first.
  const held = part!
  const of = (rows: Float32Array, width: number) => rows.subarray(shrunk.entry * width, (shrunk.entry + 1) * width)
  return {
    ...common,
    entries: 2,
    numbers: [shrunk.entry, entry],
    keys: Float32Array.from([...of(held.keys, held.in), ...key]),
    values: Float32Array.from([...of(held.values, held.out), ...value]),
    radii: Float32Array.of(shrunk.radius, radius)
  }
}

/** The book that the edits before have come to. */
function bookBefore({ before }: EditContext, site: string): Book {
  const part = before?.parts.find((p): p is CodebookPart => p.kind === 'codebook' && p.site === site)
  const carried = before?.carry?.labels
  if (part === undefined) return { part, labels: [] }
  if (carried === undefined)
    throw new Error('the codebook of the edits before comes without the targets it was made for')
  const [entries = 0, longest = 0] = carried.shape
  const labels = Array.from({ length: entries }, (_, i) =>
    [...carried.data.subarray(i * longest, (i + 1) * longest)].filter((id) => id >= 0)
  )
  return { part, labels }
}

/** Targets of all entries as an array, padded with -1. Token ids are whole in float32 up to 2²⁴. */
function labelsWith({ labels }: Book, entry: number, target: readonly number[]): CarriedArray {
  const all = [...labels]
  all[entry] = target
  const longest = Math.max(...all.map((ids) => ids.length))
  const data = new Float32Array(all.length * longest).fill(-1)
  for (const [i, ids] of all.entries()) data.set(ids, i * longest)
  return { shape: [all.length, longest], data }
}
