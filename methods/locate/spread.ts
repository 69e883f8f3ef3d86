import * as tf from '@tensorflow/tfjs-core'
import { changesUnder, type Edit, type EditPart } from '../../harness/edit'
import { batchesByLength, type LanguageModel, padBatch } from '../../harness/model'
import type { Fact, FactRow } from './facts'

/*
 * A change of the residual stream spread over several MLPs (Meng et al. 2023, MEMIT, section 4.3): block by block, each takes its share of what is still
 * missing, with keys as they are under the blocks before it.
 */

/** Facts that one edit is to hold, and what the stream is to be at their subjects after the last of the blocks. */
export interface SpreadGroup {
  readonly facts: readonly Fact[]
  /** `[dim]` each. */
  readonly targets: readonly Float32Array[]
}

/** What a block is to learn: by fact a key `[dFf]` and a further value `[dim]`. */
export interface BlockLesson {
  readonly keys: readonly Float32Array[]
  readonly values: readonly Float32Array[]
}

/** What a block of a group's edit becomes. */
export type Insert = (layer: number, lesson: BlockLesson, group: number) => EditPart

/**
 * The parts of every group's edit. Groups are independent of each other and run together, each row under the parts of its own group so far.
 * @param layers in ascending order
 */
export function spread(
  model: LanguageModel,
  groups: readonly SpreadGroup[],
  layers: readonly number[],
  insert: Insert
): EditPart[][] {
  const facts = groups.flatMap((g) => g.facts)
  const groupOf = groups.flatMap((g, i) => g.facts.map(() => i))
  const targets = groups.flatMap((g) => g.targets)
  const parts: EditPart[][] = groups.map(() => [])
  for (const [done, layer] of layers.entries()) {
    const edits = parts.map((some): Edit | undefined =>
      some.length === 0 ? undefined : { method: '', requests: [], parts: some, diagnostics: {} }
    )
    const known = subjectsUnder(model, facts, layer, layers.at(-1)!, (fact) => edits[groupOf[fact]!])
    const left = layers.length - done
    for (const [i, group] of groups.entries()) {
      const own = groupOf.flatMap((g, fact) => (g === i ? [fact] : []))
      if (group.facts.length === 0) continue
      const values = own.map((fact) => known[fact]!.stream.map((x, d) => (targets[fact]![d]! - x) / left))
      parts[i]!.push(insert(layer, { keys: own.map((fact) => known[fact]!.key), values }, i))
    }
  }
  return parts
}

/** What a model computes at a fact's subject. */
export interface AtSubject {
  /** Input of W_proj of a block: half of it in the bare prompt, the other half the mean of the other contexts, `[dFf]`. */
  readonly key: Float32Array
  /** Residual stream after the last of the blocks in the bare prompt, `[dim]`. */
  readonly stream: Float32Array
}

/**
 * Keys of facts at one block, and the stream after another one, each fact under its own edit. Nothing after the subject's last token has a say in them.
 * @param last block after which the stream is read; not before `layer`
 */
export function subjectsUnder(
  model: LanguageModel,
  facts: readonly Fact[],
  layer: number,
  last: number,
  editOf: (fact: number) => Edit | undefined
): AtSubject[] {
  const bare = facts.map(({ contexts }, fact) => ({ fact, row: contexts[0]! }))
  const others = facts.flatMap(({ contexts }, fact) => contexts.slice(1).map((row) => ({ fact, row })))
  const prompts = readSubjects(model, bare, layer, last, editOf)
  const further = readSubjects(model, others, layer, layer, editOf)
  const counts = facts.map(({ contexts }) => contexts.length - 1)
  const keys = prompts.map(({ key }, fact) => Float64Array.from(key, (x) => (counts[fact] === 0 ? x : x / 2)))
  for (const [i, { fact }] of others.entries()) {
    const sum = keys[fact]!
    const { key } = further[i]!
    for (let k = 0; k < sum.length; k++) sum[k] = sum[k]! + key[k]! / (2 * counts[fact]!)
  }
  return prompts.map(({ stream }, fact) => ({ key: Float32Array.from(keys[fact]!), stream }))
}

interface Asked {
  readonly fact: number
  readonly row: FactRow
}

function readSubjects(
  model: LanguageModel,
  asked: readonly Asked[],
  layer: number,
  last: number,
  editOf: (fact: number) => Edit | undefined
): AtSubject[] {
  const site = `layers.${layer}.mlp.proj:in`
  const found = new Array<AtSubject>(asked.length)
  const ids = asked.map(({ row }) => row.ids.slice(0, row.subject + 1))
  const changesOf = changesUnder(
    asked.map(({ fact }) => editOf(fact)),
    model
  )
  for (const batch of batchesByLength(ids.map((i) => i.length))) {
    const tokens = padBatch(batch.map((i) => ids[i]!))
    const at = Int32Array.from(batch, (i, row) => row * tokens.seq + ids[i]!.length - 1)
    const changes = changesOf?.(batch)
    let keys!: Float32Array
    let streams!: Float32Array
    tf.tidy(() => {
      const options = { to: last + 1, capture: [site], ...(changes === undefined ? {} : { changes }) }
      const { hidden, captured } = model.forward(tokens, options)
      const atSubject = (t: tf.Tensor3D) =>
        tf.gather(t.reshape([-1, t.shape[2]]), tf.tensor1d(at, 'int32')).dataSync() as Float32Array
      keys = atSubject(captured[site]!)
      streams = atSubject(hidden)
    })
    const [width, dim] = [keys.length / batch.length, model.config.dim]
    for (const [k, i] of batch.entries())
      found[i] = { key: keys.slice(k * width, (k + 1) * width), stream: streams.slice(k * dim, (k + 1) * dim) }
  }
  return found
}

/** Matrix FLOPs of a fact's keys and streams at every block, by its own tokens. */
export function spreadFlops(model: LanguageModel, { contexts }: Fact, layers: readonly number[]): number {
  const [bare, ...others] = contexts
  const pass = ({ subject }: FactRow, to: number) => model.passFlops(subject + 1, { to: to + 1, context: subject + 1 })
  return layers.reduce(
    (sum, layer) => sum + pass(bare!, layers.at(-1)!) + others.reduce((s, row) => s + pass(row, layer), 0),
    0
  )
}
