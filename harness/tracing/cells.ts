import * as tf from '@tensorflow/tfjs-core'
import {
  disposeCache,
  type KeyValueCache,
  type LanguageModel,
  rowsOfCache,
  type SiteChange,
  type SiteName,
  type TokenBatch
} from '../model'
import { answerProbabilities, disposeRun, type Known, type Run, rowsUpTo } from './runs'

/**
 * Single cells of some facts: only what comes after the state that is given back, and at or after its token, runs again, over the keys and values that the
 * run with noise has before it. Tokens are counted from the end.
 */
export class Cells {
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
      logitsOnly: true,
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
  const picked = {
    streams: streams.map(pick),
    mlps: mlps.map(pick),
    attentions: attentions.map(pick),
    cache: rowsOfCache(cache, rows),
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
