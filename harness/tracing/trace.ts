import * as tf from '@tensorflow/tfjs-core'
import { groupBy } from '../group-by'
import { batchesByLength, encodePrompt, encodeTarget, type LanguageModel, lastTokenOf, padBatch } from '../model'
import { valuesOf } from '../tensor'
import { Cells } from './cells'
import { type Asked, attentionOf, disposeRun, type Known, mlpOf, noisy, rowsUpTo, run } from './runs'
import type { Effect, FactTrace, Role, TracedFact, TraceKind, TraceOptions, Traces } from './types'

/*
 * Causal tracing (Meng et al. 2022, section 2; kmeng01/rome, experiments/causal_trace.py): the subject of a fact is made unreadable by noise, and single
 * states are given back to see which of them bring the answer back.
 */

/** Padded tokens of rows that run together, noises included. */
const TOGETHER = 8192

/**
 * Traces facts; those of like lengths run together.
 * @param among facts whose subjects the noise is measured by: those that are traced when missing
 */
export function traceFacts(
  model: LanguageModel,
  facts: readonly TracedFact[],
  options: TraceOptions,
  among: readonly TracedFact[] = facts
): Traces {
  const noise = options.noise * embeddingSpread(model, among)
  const asked = facts.map((fact) => asIds(model, fact))
  const known = answersOf(model, asked)
  const traced = asked.flatMap((a, i) => {
    const { expected } = a.fact
    const { answer, high } = known[i]!
    const right = expected === undefined || encodeTarget(model.tokenizer, expected)[0] === answer
    return right ? [{ ...a, answer, high }] : []
  })
  const found = new Map<TracedFact, FactTrace>()
  const lengths = traced.map(({ ids }) => ids.length * options.samples)
  for (const batch of batchesByLength(lengths, TOGETHER)) {
    // The longest first: those that have a token at a distance from the end are the first so many.
    const some = batch.map((i) => traced[i]!).reverse()
    for (const trace of traceTogether(model, some, noise, options)) found.set(trace.fact, trace)
    options.onFact?.(found.size, traced.length)
  }
  return {
    facts: facts.flatMap((fact) => found.get(fact) ?? []),
    unknown: facts.filter((fact) => !found.has(fact)),
    noise
  }
}

function asIds({ tokenizer }: LanguageModel, fact: TracedFact): Asked {
  const { prompt, subject, subjectAt } = fact
  const start = tokenizer.prefix.length
  const from = start + lastTokenOf(tokenizer, prompt, subjectAt + 1)
  const to = start + lastTokenOf(tokenizer, prompt, subjectAt + subject.length) + 1
  return { fact, ids: encodePrompt(tokenizer, prompt), from, to }
}

/** Standard deviation of all numbers of the embeddings of the subjects' tokens, each subject tokenised alone. */
function embeddingSpread(model: LanguageModel, facts: readonly TracedFact[]): number {
  const { tokenizer, config } = model
  const embeddings = model.weight('embed.weight').dataSync() as Float32Array
  const { dim, embedScale = 1 } = config
  const ids = facts.flatMap(({ subject }) => tokenizer.encode(subject))
  let [sum, squares] = [0, 0]
  for (const id of ids)
    for (let i = 0; i < dim; i++) {
      const x = embeddings[id * dim + i]! * embedScale
      sum += x
      squares += x * x
    }
  const count = ids.length * dim
  // As torch's std has it.
  return Math.sqrt((squares - sum ** 2 / count) / (count - 1))
}

/** What the model says after every prompt, and how sure it is. */
function answersOf(model: LanguageModel, asked: readonly Asked[]): { answer: number; high: number }[] {
  const found = new Array<{ answer: number; high: number }>(asked.length)
  for (const same of groupBy([...asked.keys()], (i) => asked[i]!.ids.length).values()) {
    const batch = padBatch(same.map((i) => asked[i]!.ids))
    const shares = valuesOf(() => {
      const logitsAt = { rows: rowsUpTo(batch.batch), positions: new Int32Array(batch.batch).fill(batch.seq - 1) }
      return tf.softmax(model.forward(batch, { logitsAt, logitsOnly: true }).logits!)
    })
    const vocab = shares.length / batch.batch
    for (const [k, i] of same.entries()) {
      const own = shares.subarray(k * vocab, (k + 1) * vocab)
      const answer = own.reduce((best, p, id) => (p > own[best]! ? id : best), 0)
      found[i] = { answer, high: own[answer]! }
    }
  }
  return found
}

/** @param facts the longest first */
function traceTogether(
  model: LanguageModel,
  facts: readonly Known[],
  noise: number,
  options: TraceOptions
): FactTrace[] {
  const { layers } = model.config
  const { samples, window } = options
  const longest = facts[0]!.ids.length
  const clean = run(model, facts, 1)
  const corrupted = run(model, facts, samples, noisy(facts, noise, options, model.config.dim))
  const effects: Effect[][] = facts.map(() => [])
  try {
    const all = new Cells(model, facts, samples, clean, corrupted)
    for (let fromEnd = 0; fromEnd < longest; fromEnd++) {
      const some = facts.filter(({ ids, from }) => ids.length - 1 - fromEnd >= from)
      const cells = some.length === 0 ? undefined : all.of(some)
      for (let layer = 0; layer < layers; layer++) {
        const first = Math.max(0, layer - Math.floor(window / 2))
        const end = Math.min(layers, layer + Math.ceil(window / 2))
        const add = (kind: TraceKind, given: readonly number[] | undefined) => {
          for (const [i, fact] of facts.entries()) {
            const token = fact.ids.length - 1 - fromEnd
            // What stands before the subject is as it was: nothing is given back.
            const probability = given?.[some.indexOf(fact)] ?? corrupted.probabilities[i]!
            if (token >= 0) effects[i]!.push({ kind, token, layer, probability })
          }
        }
        add('block', cells?.withStream(layer, fromEnd))
        add('mlp', cells?.withAdded('mlps', mlpOf, first, end, fromEnd))
        add('attention', cells?.withAdded('attentions', attentionOf, first, end, fromEnd))
      }
      cells?.dispose()
    }
    // The subject's last token stands elsewhere in every fact.
    for (const alike of groupBy(facts, ({ ids, to }) => ids.length - to).values()) {
      const fromEnd = alike[0]!.ids.length - alike[0]!.to
      const cells = all.of(alike)
      for (let layer = 0; layer < layers; layer++)
        for (const [kind, severed, siteOf] of [
          ['block, mlps severed', 'mlps', mlpOf],
          ['block, attentions severed', 'attentions', attentionOf]
        ] as const)
          for (const [k, probability] of cells.withStream(layer, fromEnd, severed, siteOf).entries())
            effects[facts.indexOf(alike[k]!)]!.push({ kind, token: alike[k]!.to - 1, layer, probability })
      cells.dispose()
    }
  } finally {
    disposeRun(clean)
    disposeRun(corrupted)
  }
  const { tokenizer } = model
  return facts.map((known, i) => ({
    fact: known.fact,
    tokens: known.ids.map((id) => tokenizer.decode([id])),
    roles: known.ids.map((_, t) => roleOf(t, known)),
    answer: tokenizer.decode([known.answer]).trim(),
    high: known.high,
    low: corrupted.probabilities[i]!,
    effects: effects[i]!
  }))
}

function roleOf(token: number, { ids, from, to }: Asked): Role {
  if (token < from) return 'before the subject'
  if (token === to - 1) return 'last subject token'
  if (token < to) return token === from ? 'first subject token' : 'middle subject tokens'
  if (token === ids.length - 1) return 'last token'
  return token === to ? 'first token after' : 'further tokens'
}
