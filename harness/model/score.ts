import * as tf from '@tensorflow/tfjs-core'
import { crossEntropy } from '../tensor'
import { batchesByLength, padBatch } from './batching'
import { disposeCache, leftAlign, rowsOfCache } from './cache'
import { notFinite } from './generate'
import type { ChangesOf, LanguageModel, Positions, TargetScore } from './types'

/** A continuation of a prompt, both as ids. */
export interface TargetRow {
  readonly prompt: readonly number[]
  readonly target: readonly number[]
  /** Rows with one prompt that are changed by the same thing share the pass over it; missing: by nothing that others are. */
  readonly under?: unknown
}

/** Stands for the model as it is. */
const UNCHANGED = {}

/**
 * Teacher-forced passes of a causal model over prompt + target: logits only where the target is predicted. What follows a prompt that several have runs
 * over its keys and values.
 * @throws UserError when the logits are not finite and nothing was changed
 */
export function scoreTargets(
  model: LanguageModel,
  items: readonly TargetRow[],
  changesOf?: ChangesOf,
  budget?: number
): TargetScore[] {
  const scores: TargetScore[] = new Array(items.length)
  const groups = byPrompt(items, changesOf !== undefined)
  const alone = groups.filter((g) => g.length === 1).map(([i]) => i!)
  const shared = groups.filter((g) => g.length > 1)
  const lengths = alone.map((i) => items[i]!.prompt.length + items[i]!.target.length)
  for (const batch of batchesByLength(lengths, budget)) {
    const rows = batch.map((k) => alone[k]!)
    scoreBatch(model, items, rows, changesOf, scores)
  }
  const prompts = shared.map(([i]) => items[i!]!.prompt.length)
  for (const batch of batchesByLength(prompts, budget)) {
    const some = batch.map((k) => shared[k]!)
    scoreShared(model, items, some, changesOf, budget, scores)
  }
  if (changesOf === undefined && scores.some((s) => !s.finite)) throw notFinite(model.name)
  return scores
}

/** Items that share the pass over their prompt. */
function byPrompt(items: readonly TargetRow[], changed: boolean): number[][] {
  const groups = new Map<unknown, Map<string, number[]>>()
  for (const [i, { prompt, under }] of items.entries()) {
    const owner = under ?? (changed ? i : UNCHANGED)
    const own = groups.get(owner) ?? new Map<string, number[]>()
    groups.set(owner, own)
    const key = prompt.join()
    const group = own.get(key)
    if (group === undefined) own.set(key, [i])
    else group.push(i)
  }
  return [...groups.values()].flatMap((own) => [...own.values()])
}

function scoreBatch(
  model: LanguageModel,
  items: readonly TargetRow[],
  batch: readonly number[],
  changesOf: ChangesOf | undefined,
  scores: TargetScore[]
): void {
  const asked = new Asked()
  for (const [row, item] of batch.entries()) {
    const { prompt, target } = items[item]!
    for (let j = 0; j <= target.length; j++) asked.add(row, prompt.length - 1 + j, target[j])
  }
  let found: Said[] = []
  tf.tidy(() => {
    const tokens = padBatch(batch.map((i) => [...items[i]!.prompt, ...items[i]!.target]))
    const prompts = batch.map((i) => items[i]!.prompt.length)
    const logits = model.forward(
      { ...tokens, prompts },
      {
        logitsAt: asked.places(),
        logitsOnly: true,
        ...(changesOf === undefined ? {} : { changes: changesOf(batch) })
      }
    ).logits!
    found = asked.answers(logits)
  })
  let at = 0
  for (const item of batch) {
    const n = items[item]!.target.length + 1
    scores[item] = scoreOf(found.slice(at, at + n))
    at += n
  }
}

/** The first token of every target comes from the pass over the prompt, the others from one over its keys and values. */
function scoreShared(
  model: LanguageModel,
  items: readonly TargetRow[],
  groups: readonly (readonly number[])[],
  changesOf: ChangesOf | undefined,
  budget: number | undefined,
  scores: TargetScore[]
): void {
  const prompts = groups.map(([first]) => items[first!]!.prompt)
  const lengths = prompts.map((p) => p.length)
  const changes = (rows: readonly number[]) => (changesOf === undefined ? {} : { changes: changesOf(rows) })
  const all = Int32Array.from(groups.keys())
  const { hidden, logits, cache } = model.forward(
    { ...padBatch(prompts), prompts: lengths },
    {
      logitsAt: { rows: all, positions: Int32Array.from(lengths, (n) => n - 1) },
      keepCache: true,
      ...changes(groups.map(([first]) => first!))
    }
  )
  const past = leftAlign(cache!, lengths)
  const rows = groups.flatMap((group, of) => group.map((item) => ({ item, of })))
  let firsts: Said[] = []
  tf.tidy(() => {
    const asked = new Asked()
    for (const { item, of } of rows) asked.add(of, 0, items[item]!.target[0])
    firsts = asked.answers(tf.gather(logits!, tf.tensor1d(asked.rows, 'int32')))
  })
  tf.dispose([hidden, logits!])
  disposeCache(cache)
  for (const [k, { item }] of rows.entries()) if (items[item]!.target.length === 0) scores[item] = scoreOf([firsts[k]!])
  const more = rows.flatMap((row, k) => (items[row.item]!.target.length === 0 ? [] : [{ ...row, first: firsts[k]! }]))
  const tokens = more.map(({ item, of }) => lengths[of]! + items[item]!.target.length)
  for (const batch of batchesByLength(tokens, budget)) {
    const some = batch.map((k) => more[k]!)
    const asked = new Asked()
    for (const [row, { item }] of some.entries()) {
      const { target } = items[item]!
      for (let j = 1; j <= target.length; j++) asked.add(row, j - 1, target[j])
    }
    let found: Said[] = []
    tf.tidy(() => {
      const targets = padBatch(some.map(({ item }) => items[item]!.target))
      const own = rowsOfCache(
        past,
        some.map(({ of }) => of)
      )
      const { logits: further } = model.forward(
        { ...targets, prompts: some.map(({ of }) => lengths[of]!) },
        { past: own, logitsAt: asked.places(), ...changes(some.map(({ item }) => item)) }
      )
      found = asked.answers(further!)
    })
    let at = 0
    for (const { item, first } of some) {
      const n = items[item]!.target.length
      scores[item] = scoreOf([first, ...found.slice(at, at + n)])
      at += n
    }
  }
  disposeCache(past)
}

/** What a model says at one place: its choice, and the negative log likelihood of the token that is wanted there. */
interface Said {
  readonly argmax: number
  readonly nll: number
}

/** Places whose logits are wanted, and the tokens that should follow. */
class Asked {
  readonly rows: number[] = []
  readonly #positions: number[] = []
  readonly #labels: number[] = []

  /** @param label none after the whole target, where the choice alone is wanted */
  add(row: number, position: number, label: number | undefined): void {
    this.rows.push(row)
    this.#positions.push(position)
    this.#labels.push(label ?? 0)
  }

  places(): Positions {
    return { rows: Int32Array.from(this.rows), positions: Int32Array.from(this.#positions) }
  }

  answers(logits: tf.Tensor2D): Said[] {
    const argmax = logits.argMax(1).dataSync()
    const nll = crossEntropy(logits, tf.tensor1d(this.#labels, 'int32')).dataSync()
    return this.rows.map((_, i) => ({ argmax: argmax[i]!, nll: nll[i]! }))
  }
}

/** @param said at every token of the target, and after it */
function scoreOf(said: readonly Said[]): TargetScore {
  const target = said.slice(0, -1)
  return {
    argmax: target.map((s) => s.argmax),
    nll: target.map((s) => s.nll),
    next: said.at(-1)!.argmax,
    finite: said.every((s) => Number.isFinite(s.nll))
  }
}

/**
 * How far the choices of a changed model are from those of the model as it is, KL(as it is ‖ changed) in nats, at every token of a target
 * (zjunlp/EasyEdit, kl_loc_loss). The changed model may be asked after another prompt.
 */
export function divergences(
  model: LanguageModel,
  items: readonly (TargetRow & { readonly changedPrompt: readonly number[] })[],
  changesOf: ChangesOf | undefined
): number[][] {
  const out: number[][] = new Array(items.length)
  const lengths = items.map((i) => Math.max(i.prompt.length, i.changedPrompt.length) + i.target.length)
  for (const batch of batchesByLength(lengths)) {
    const logitsOf = (prompt: (i: number) => readonly number[], changes: ReturnType<ChangesOf> | undefined) => {
      const rows = batch.flatMap((i, row) => items[i]!.target.map(() => row))
      const positions = batch.flatMap((i) => items[i]!.target.map((_, j) => prompt(i).length - 1 + j))
      const tokens = padBatch(batch.map((i) => [...prompt(i), ...items[i]!.target]))
      const prompts = batch.map((i) => prompt(i).length)
      const logitsAt = { rows: Int32Array.from(rows), positions: Int32Array.from(positions) }
      const only = { logitsAt, logitsOnly: true }
      return model.forward({ ...tokens, prompts }, { ...only, ...(changes === undefined ? {} : { changes }) }).logits!
    }
    const kl = tf.tidy(() => {
      const before = tf.logSoftmax(logitsOf((i) => items[i]!.prompt, undefined))
      const after = tf.logSoftmax(logitsOf((i) => items[i]!.changedPrompt, changesOf?.(batch)))
      return before.exp().mul(before.sub(after)).sum(1).dataSync()
    }) as unknown as Float32Array
    let at = 0
    for (const i of batch) {
      const n = items[i]!.target.length
      out[i] = [...kl.subarray(at, at + n)]
      at += n
    }
  }
  return out
}
