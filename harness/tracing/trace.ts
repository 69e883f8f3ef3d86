import * as tf from '@tensorflow/tfjs-core'
import { groupBy } from '../group-by'
import {
  batchesByLength,
  disposeCache,
  encodePrompt,
  encodeTarget,
  type KeyValueCache,
  type LanguageModel,
  lastTokenOf,
  leftAlign,
  padBatch,
  type SiteChange,
  type SiteName,
  type TokenBatch
} from '../model'
import { randomStream } from '../random'
import { valuesOf } from '../tensor'

/*
 * Causal tracing (Meng et al. 2022, section 2; kmeng01/rome, experiments/causal_trace.py): the subject of a fact is made unreadable by noise, and single
 * states are given back to see which of them bring the answer back.
 */

export interface TracedFact {
  readonly id: string
  readonly prompt: string
  readonly subject: string
  /** Where the subject stands in the prompt, in characters. */
  readonly subjectAt: number
  /** What is true: a fact whose first token the model does not say is not traced. */
  readonly expected?: string
}

/**
 * What is given back: the residual stream after a block, or what the MLPs or attentions of some blocks around it add; or the stream after a block while the
 * MLPs, or attentions, above it stay as the noise had them (severed).
 */
export const KINDS = ['block', 'mlp', 'attention', 'block, mlps severed', 'block, attentions severed'] as const
export type TraceKind = (typeof KINDS)[number]

/** Where a token stands in a prompt. */
export const ROLES = [
  'before the subject',
  'first subject token',
  'middle subject tokens',
  'last subject token',
  'first token after',
  'further tokens',
  'last token'
] as const
export type Role = (typeof ROLES)[number]

export interface TraceOptions {
  /** Noises that an effect is the mean over. */
  readonly samples: number
  /** Standard deviation of the noise, in those of the embeddings of all subjects. */
  readonly noise: number
  /** Blocks whose MLPs, or attentions, are given back together. */
  readonly window: number
  readonly seed: number
  /** Instead of drawn numbers: standard normal, `[samples, subject tokens, dim]`. */
  readonly drawn?: (fact: TracedFact, tokens: number) => Float32Array
  readonly onFact?: (done: number, all: number) => void
}

/** The official window is ten of 48 blocks. */
export const defaultWindow = (layers: number): number => Math.max(1, Math.round((10 / 48) * layers))

export interface Effect {
  readonly kind: TraceKind
  readonly token: number
  readonly layer: number
  /** Probability of the answer, mean over the noises. */
  readonly probability: number
}

export interface FactTrace {
  readonly fact: TracedFact
  /** The tokens as text. */
  readonly tokens: readonly string[]
  readonly roles: readonly Role[]
  /** The token that is traced: what the model says. */
  readonly answer: string
  /** Its probability without noise, and with. */
  readonly high: number
  readonly low: number
  readonly effects: readonly Effect[]
}

export interface Traces {
  readonly facts: readonly FactTrace[]
  /** Facts that the model says something else to. */
  readonly unknown: readonly TracedFact[]
  /** Standard deviation of the noise. */
  readonly noise: number
}

/** A fact as ids. */
interface Asked {
  readonly fact: TracedFact
  readonly ids: readonly number[]
  /** Tokens of the subject: from, to (exclusive). */
  readonly from: number
  readonly to: number
}

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
      return tf.softmax(model.forward(batch, { logitsAt }).logits!)
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

const rowsUpTo = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i)

interface Known extends Asked {
  readonly answer: number
  readonly high: number
}

/** Sites of what a block adds to the stream. */
const mlpOf = (layer: number): SiteName => `layers.${layer}.mlp`
const attentionOf = (layer: number): SiteName => `layers.${layer}.attn.out`
const intoBlock = (layer: number): SiteName => `layers.${layer}.in`

/**
 * A run of some facts with noise, or without: what single cells start from. Rows end together: what a fact is shorter by is missing at the beginning, so
 * that tokens at one distance from the end stand in one place.
 */
interface Run {
  /** Streams into every block, and after the last, `[rows, longest, dim]`. */
  readonly streams: readonly tf.Tensor3D[]
  readonly mlps: readonly tf.Tensor3D[]
  readonly attentions: readonly tf.Tensor3D[]
  readonly cache: KeyValueCache
  /** Mean probability of each fact's answer over its rows. */
  readonly probabilities: readonly number[]
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

/** Noise on the embeddings of every fact's subject, its own for every sample: `[facts · samples, longest, dim]`. */
function noisy(
  facts: readonly Known[],
  noise: number,
  { samples, seed, drawn }: TraceOptions,
  dim: number
): SiteChange {
  const longest = Math.max(...facts.map((f) => f.ids.length))
  const added = new Float32Array(facts.length * samples * longest * dim)
  for (const [i, { fact, from, to }] of facts.entries()) {
    const size = (to - from) * dim
    const random = randomStream(seed, 'trace', fact.id)
    const numbers = drawn?.(fact, to - from) ?? Float32Array.from({ length: samples * size }, () => random.normal())
    for (let s = 0; s < samples; s++) {
      const row = (i * samples + s) * longest * dim
      for (let k = 0; k < size; k++) added[row + from * dim + k] = noise * numbers[s * size + k]!
    }
  }
  return (_, y) => y.add(tf.tensor3d(added, [facts.length * samples, longest, dim]))
}

function run(model: LanguageModel, facts: readonly Known[], samples: number, noise?: SiteChange): Run {
  const blocks = [...Array(model.config.layers).keys()]
  const rows = facts.flatMap(({ ids }) => new Array<readonly number[]>(samples).fill(ids))
  const batch = padBatch(rows)
  const { hidden, captured, cache, logits } = model.forward(batch, {
    capture: blocks.flatMap((l) => [intoBlock(l), mlpOf(l), attentionOf(l)]),
    keepCache: true,
    logitsAt: { rows: rowsUpTo(rows.length), positions: Int32Array.from(rows, (row) => row.length - 1) },
    ...(noise === undefined ? {} : { changes: new Map([['embed', noise]]) })
  })
  const probabilities = answerProbabilities(logits!, facts, samples)
  logits!.dispose()
  const aligned = (t: tf.Tensor3D) => endingTogether(t, batch.lengths)
  const result = {
    streams: [...blocks.map((l) => aligned(captured[intoBlock(l)]!)), aligned(hidden)],
    mlps: blocks.map((l) => aligned(captured[mlpOf(l)]!)),
    attentions: blocks.map((l) => aligned(captured[attentionOf(l)]!)),
    cache: leftAlign(cache!, batch.lengths),
    probabilities
  }
  tf.dispose([...Object.values(captured), hidden])
  disposeCache(cache)
  return result
}

/** Rows that are padded on the right -> padded on the left, by what stands there first. */
function endingTogether(t: tf.Tensor3D, lengths: readonly number[]): tf.Tensor3D {
  const [rows, seq, width] = t.shape
  const places = Int32Array.from({ length: rows * seq }, (_, i) => {
    const row = Math.floor(i / seq)
    return row * seq + Math.max(0, (i % seq) - (seq - lengths[row]!))
  })
  return tf.tidy(() =>
    tf.gather(t.reshape([rows * seq, width]), tf.tensor1d(places, 'int32')).reshape([rows, seq, width])
  ) as tf.Tensor3D
}

function disposeRun({ streams, mlps, attentions, cache }: Run): void {
  tf.dispose([...streams, ...mlps, ...attentions])
  disposeCache(cache)
}

/** Mean over its rows of the probability of each fact's answer. */
function answerProbabilities(logits: tf.Tensor2D, facts: readonly Known[], samples: number): number[] {
  const answers = facts.flatMap(({ answer }) => new Array<number>(samples).fill(answer))
  const [, vocab] = logits.shape
  const all = valuesOf(() => {
    const flat = Int32Array.from(answers, (answer, row) => row * vocab + answer)
    return tf.gather(tf.softmax(logits).reshape([-1]), tf.tensor1d(flat, 'int32'))
  })
  return facts.map((_, i) => {
    let sum = 0
    for (let s = 0; s < samples; s++) sum += all[i * samples + s]!
    return sum / samples
  })
}

/**
 * Single cells of some facts: only what comes after the state that is given back, and at or after its token, runs again, over the keys and values that the
 * run with noise has before it. Tokens are counted from the end.
 */
class Cells {
  readonly #model: LanguageModel
  readonly #facts: readonly Known[]
  readonly #samples: number
  readonly #clean: Run
  readonly #corrupted: Run
  readonly #own: boolean
  #cut: { readonly fromEnd: number; readonly cache: KeyValueCache } | undefined

  constructor(
    model: LanguageModel,
    facts: readonly Known[],
    samples: number,
    clean: Run,
    corrupted: Run,
    own: boolean = false
  ) {
    this.#model = model
    this.#facts = facts
    this.#samples = samples
    this.#clean = clean
    this.#corrupted = corrupted
    this.#own = own
  }

  /** Cells of some of the facts, in tensors of their own unless they are all. */
  of(some: readonly Known[]): Cells {
    if (some.length === this.#facts.length)
      return new Cells(this.#model, some, this.#samples, this.#clean, this.#corrupted)
    const places = some.map((fact) => this.#facts.indexOf(fact))
    const rows = places.flatMap((i) => Array.from({ length: this.#samples }, (_, s) => i * this.#samples + s))
    const picked = [picking(this.#clean, places, places), picking(this.#corrupted, rows, places)] as const
    return new Cells(this.#model, some, this.#samples, ...picked, true)
  }

  dispose(): void {
    disposeCache(this.#cut?.cache)
    this.#cut = undefined
    if (!this.#own) return
    disposeRun(this.#clean)
    disposeRun(this.#corrupted)
  }

  /**
   * The stream after a block is given back at a token.
   * @param severed what the modules above add at that token instead
   */
  withStream(
    layer: number,
    fromEnd: number,
    severed?: 'mlps' | 'attentions',
    siteOf?: (layer: number) => SiteName
  ): readonly number[] {
    const { layers } = this.#model.config
    // After the last block a token is read at the end alone.
    if (layer === layers - 1) return fromEnd === 0 ? this.#clean.probabilities : this.#corrupted.probabilities
    const above = [...Array(layers).keys()].slice(layer + 1)
    return tf.tidy(() => {
      const given = this.#repeated(at(this.#clean.streams[layer + 1]!, fromEnd))
      const rest = after(this.#corrupted.streams[layer + 1]!, fromEnd)
      const stream = rest === undefined ? given : (tf.concat([given, rest], 1) as tf.Tensor3D)
      const changes =
        severed === undefined
          ? undefined
          : new Map(above.map((l) => [siteOf!(l), replacingFirst(at(this.#corrupted[severed][l]!, fromEnd))] as const))
      return this.#from(layer + 1, fromEnd, stream, changes)
    }) as unknown as number[]
  }

  /**
   * What modules of the blocks [first, end) add is given back at a token. The first of these blocks changes nothing but that token, so no other runs there.
   */
  withAdded(
    added: 'mlps' | 'attentions',
    siteOf: (layer: number) => SiteName,
    first: number,
    end: number,
    fromEnd: number
  ): readonly number[] {
    const { layers } = this.#model.config
    // After the last block a token is read at the end alone.
    if (first === layers - 1 && fromEnd > 0) return this.#corrupted.probabilities
    return tf.tidy(() => {
      const giving = (l: number): [SiteName, SiteChange] => [
        siteOf(l),
        replacingFirst(this.#repeated(at(this.#clean[added][l]!, fromEnd)))
      ]
      const before = at(this.#corrupted.streams[first]!, fromEnd)
      const past = this.#past(first, fromEnd)
      const [rows] = before.shape
      const { hidden } = this.#model.forward(tokensOf(rows, 1), {
        from: { layer: first, hidden: before },
        to: first + 1,
        changes: new Map([giving(first)]),
        ...(past === undefined ? {} : { past })
      })
      const rest = after(this.#corrupted.streams[first + 1]!, fromEnd)
      const stream = rest === undefined ? hidden : (tf.concat([hidden, rest], 1) as tf.Tensor3D)
      const above = Array.from({ length: end - first - 1 }, (_, i) => giving(first + 1 + i))
      return this.#from(first + 1, fromEnd, stream, new Map(above))
    }) as unknown as number[]
  }

  /** Probabilities when the stream into a block is this, from a token on. */
  #from(layer: number, fromEnd: number, stream: tf.Tensor3D, changes?: ReadonlyMap<SiteName, SiteChange>): number[] {
    const [rows, seq] = stream.shape
    const past = this.#past(layer, fromEnd)
    const { logits } = this.#model.forward(tokensOf(rows, seq), {
      from: { layer, hidden: stream },
      logitsAt: { rows: rowsUpTo(rows), positions: new Int32Array(rows).fill(seq - 1) },
      ...(past === undefined ? {} : { past }),
      ...(changes === undefined ? {} : { changes })
    })
    return answerProbabilities(logits!, this.#facts, this.#samples)
  }

  /** Keys and values of the tokens before one, in a block and those above it. Cut once for all cells of a token. */
  #past(layer: number, fromEnd: number): KeyValueCache | undefined {
    const { keys, values, lengths, past } = this.#corrupted.cache
    const most = Math.max(...lengths) - fromEnd - 1
    if (most <= 0) return undefined
    if (this.#cut?.fromEnd !== fromEnd) {
      disposeCache(this.#cut?.cache)
      // Rows end together: before the longest's beginning there is nothing.
      const start = past - fromEnd - 1 - most
      const cut = (all: ReadonlyMap<number, tf.Tensor4D>) =>
        new Map([...all].map(([l, t]) => [l, tf.keep(tf.slice(t, [0, 0, start, 0], [-1, -1, most, -1]))] as const))
      const cache = { keys: cut(keys), values: cut(values), lengths: lengths.map((n) => n - fromEnd - 1), past: most }
      this.#cut = { fromEnd, cache }
    }
    const { cache } = this.#cut
    const above = (all: ReadonlyMap<number, tf.Tensor4D>) => new Map([...all].filter(([l]) => l >= layer))
    return { ...cache, keys: above(cache.keys), values: above(cache.values) }
  }

  /** Each fact's row as often as it has noises: `[facts, 1, n]` -> `[facts · samples, 1, n]`. */
  #repeated(t: tf.Tensor3D): tf.Tensor3D {
    const [facts, , width] = t.shape
    return tf.tile(t, [1, this.#samples, 1]).reshape([facts * this.#samples, 1, width])
  }
}

/** Tokens whose stream is given: their ids play no part. */
const tokensOf = (rows: number, seq: number): TokenBatch => ({
  ids: new Int32Array(rows * seq),
  batch: rows,
  seq,
  lengths: new Array<number>(rows).fill(seq)
})

/** Some rows of a run, and the probabilities of their facts. */
function picking(
  { streams, mlps, attentions, cache, probabilities }: Run,
  rows: readonly number[],
  facts: readonly number[]
): Run {
  const places = tf.tensor1d([...rows], 'int32')
  const pick = <T extends tf.Tensor>(t: T): T => tf.gather(t, places)
  const all = (tensors: ReadonlyMap<number, tf.Tensor4D>) => new Map([...tensors].map(([l, t]) => [l, pick(t)]))
  const picked = {
    streams: streams.map(pick),
    mlps: mlps.map(pick),
    attentions: attentions.map(pick),
    cache: {
      keys: all(cache.keys),
      values: all(cache.values),
      lengths: rows.map((r) => cache.lengths[r]!),
      past: cache.past
    },
    probabilities: facts.map((i) => probabilities[i]!)
  }
  places.dispose()
  return picked
}

const at = (t: tf.Tensor3D, fromEnd: number): tf.Tensor3D => tf.slice(t, [0, t.shape[1] - 1 - fromEnd, 0], [-1, 1, -1])

/** What stands after a token; nothing after the last. */
const after = (t: tf.Tensor3D, fromEnd: number): tf.Tensor3D | undefined =>
  fromEnd === 0 ? undefined : tf.slice(t, [0, t.shape[1] - fromEnd, 0], [-1, fromEnd, -1])

/** The first of the positions that run becomes this. */
const replacingFirst =
  (value: tf.Tensor3D): SiteChange =>
  (_, y) => {
    const rest = after(y, y.shape[1] - 1)
    return rest === undefined ? value : (tf.concat([value, rest], 1) as tf.Tensor3D)
  }
