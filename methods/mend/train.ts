import { APART, type EditCase } from '../../datasets/types'
import { UserError } from '../../harness/errors'
import type { LanguageModel } from '../../harness/model'
import { randomStream } from '../../harness/random'
import { norm } from '../../harness/tensor/linalg'
import { Adam, type Moments } from '../../harness/tensor/optimizer'
import { type AnswerRow, answerRow } from '../answer-row'
import type { Artifact, TrainingContext } from '../types'
import { artifactOf, type Editor, editorOf, newEditor } from './editor'
import { textOf } from './factors'
import { type Example, editorLoss, type LossRules } from './loss'

export interface TrainingRules extends LossRules {
  readonly edit_modules: readonly string[]
  readonly rank: number
  readonly edit_lr: number
  readonly lr: number
  readonly lr_lr: number
  readonly accumulate_bs: number
  readonly grad_clip: number
  readonly max_iters: number
  readonly val_interval: number
  readonly early_stop_patience: number
}

/** Texts of a case that are to be kept, at most. */
const KEPT_TEXTS = 2
/** Tokens that the model says of itself about what is to be kept. */
const KEPT_TOKENS = 8
/** Examples held back, at most, and how many of all. */
const HELD_BACK = { most: 50, share: 0.1 }

/** A case as examples: one edit, asked for in several ways, beside several texts to keep. */
interface Lesson {
  readonly edit: AnswerRow
  readonly asked: readonly AnswerRow[]
  readonly kept: readonly AnswerRow[]
}

/** Trains an editor on cases, and keeps the one that does best on some that are held back. */
export async function trainEditor(
  model: LanguageModel,
  cases: AsyncIterable<EditCase>,
  rules: TrainingRules,
  lowest: number,
  context: TrainingContext
): Promise<Artifact> {
  const { seed, checkpoint, onProgress, saveCheckpoint, log } = context
  const sites = rules.edit_modules
  const all = randomStream(seed, 'mend/cases').shuffle(await lessonsOf(model, cases))
  if (all.length < 2)
    throw new UserError(
      `there are ${all.length} cases with an edit, a paraphrase and a question to keep: needed are 2`,
      {
        place: 'train_on'
      }
    )
  const back = Math.max(1, Math.min(HELD_BACK.most, Math.floor(HELD_BACK.share * all.length)))
  const [held, taught] = [all.slice(0, back), all.slice(back)]
  const heldExamples = held.map((lesson, i) => exampleOf(lesson, all, seed, -1 - i))
  const state = stateOf(model, rules, seed, checkpoint())
  const { editor } = state
  const optimizer = new Adam(editor.weights, { learningRate: rules.lr, moments: state.moments })
  const rates = new Adam(new Map([['lr', editor.weights.get('lr')!]]), {
    learningRate: rules.lr_lr,
    moments: state.rates
  })
  optimizer.steps = rates.steps = state.steps
  const updates = Math.ceil(rules.max_iters / rules.accumulate_bs)
  const between = Math.max(1, Math.round(rules.val_interval / rules.accumulate_bs))
  for (let update = state.updates; update < updates; update++) {
    const examples = Array.from({ length: rules.accumulate_bs }, (_, i) => {
      const number = update * rules.accumulate_bs + i
      return exampleOf(randomStream(seed, 'mend/example', number).pick(taught), all, seed, number)
    })
    const { losses, gradients } = editorLoss(model, editor, examples, sites, lowest, rules, true)
    const length = Math.hypot(...[...gradients.values()].map(norm))
    // As there, a step without a finite gradient is none.
    if (Number.isFinite(length)) {
      const scale = Math.min(1, rules.grad_clip / (length + 1e-6))
      state.steps++
      optimizer.step(gradients, { scale })
      rates.step(new Map([['lr', gradients.get('lr')!]]), { scale })
    }
    const done = update + 1
    onProgress({ step: done * rules.accumulate_bs, steps: rules.max_iters, loss: losses.total })
    if (done % between !== 0 && done !== updates) continue
    const { losses: seen } = editorLoss(model, editor, heldExamples, sites, lowest, rules, false)
    log('validation', { step: done * rules.accumulate_bs, ...seen })
    if (seen.total < state.best.loss)
      state.best = { loss: seen.total, at: done, artifact: copyOf(artifactOf(editor, {})) }
    saveCheckpoint(stored(state, done))
    if ((done - state.best.at) * rules.accumulate_bs >= rules.early_stop_patience) break
  }
  const { artifact, loss, at } = state.best
  if (!Number.isFinite(loss))
    throw new UserError('no editor on the way did anything finite with what is held back', {
      hint: 'training diverged: try a smaller lr or lr_lr'
    })
  return { ...artifact, json: { loss, steps: at * rules.accumulate_bs } }
}

/** Where a training stands. */
interface State {
  readonly editor: Editor
  readonly updates: number
  /** Updates that were made, and what the optimizers remember. */
  steps: number
  readonly moments: Moments
  readonly rates: Moments
  best: { readonly loss: number; readonly at: number; readonly artifact: Artifact }
}

/** Anew, or as it was kept. */
function stateOf(model: LanguageModel, rules: TrainingRules, seed: number, kept: Artifact | undefined): State {
  const editor = newEditor(model, rules.edit_modules, rules.rank, rules.edit_lr, seed)
  const state = {
    editor,
    updates: 0,
    steps: 0,
    moments: momentsOf(editor.weights),
    rates: momentsOf(new Map([['lr', editor.weights.get('lr')!]])),
    best: { loss: Number.POSITIVE_INFINITY, at: 0, artifact: artifactOf(editor, {}) }
  }
  if (kept === undefined) return state
  const { updates, steps, loss, at } = kept.json as Readonly<Record<'updates' | 'steps' | 'loss' | 'at', number>>
  const part = (prefix: string) =>
    Object.entries(kept.tensors).flatMap(([name, t]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), t] as const] : []
    )
  for (const [of, moments] of [
    ['moments', state.moments],
    ['rates', state.rates]
  ] as const)
    for (const which of ['first', 'second'] as const)
      for (const [name, { data }] of part(`${of}.${which}.`)) moments[which].get(name)!.set(data)
  return {
    ...state,
    editor: editorOf(model, rules.edit_modules, rules.rank, { tensors: Object.fromEntries(part('now.')) }),
    updates,
    steps,
    best: { loss, at, artifact: { tensors: Object.fromEntries(part('best.')) } }
  }
}

function momentsOf(weights: ReadonlyMap<string, Float32Array>): Moments {
  const zeros = () => new Map([...weights].map(([name, { length }]) => [name, new Float32Array(length)]))
  return { first: zeros(), second: zeros() }
}

function stored({ editor, steps, moments, rates, best }: State, updates: number): Artifact {
  const named = (prefix: string, { tensors }: Artifact) =>
    Object.entries(tensors).map(([name, t]) => [`${prefix}${name}`, t] as const)
  const arrays = (prefix: string, of: ReadonlyMap<string, Float32Array>) =>
    [...of].map(([name, data]) => [`${prefix}${name}`, { shape: [data.length], data }] as const)
  return {
    tensors: Object.fromEntries([
      ...named('now.', artifactOf(editor, {})),
      ...named('best.', best.artifact),
      ...arrays('moments.first.', moments.first),
      ...arrays('moments.second.', moments.second),
      ...arrays('rates.first.', rates.first),
      ...arrays('rates.second.', rates.second)
    ]),
    json: { updates, steps, loss: best.loss, at: best.at }
  }
}

const copyOf = ({ tensors }: Artifact): Artifact => ({
  tensors: Object.fromEntries(Object.entries(tensors).map(([n, { shape, data }]) => [n, { shape, data: data.slice() }]))
})

/** @param number of the example: what is drawn depends on it alone */
function exampleOf({ edit, asked, kept }: Lesson, all: readonly Lesson[], seed: number, number: number): Example {
  const random = randomStream(seed, 'mend/questions', number)
  const texts = kept.length > 0 ? kept : random.pick(all.filter((l) => l.kept.length > 0)).kept
  return { edit, asked: random.pick(asked), kept: random.pick(texts) }
}

/** Cases with a way to ask for their edit in other words; what is to be kept is the model's own answer. */
async function lessonsOf(model: LanguageModel, cases: AsyncIterable<EditCase>): Promise<Lesson[]> {
  const found: { lesson: Omit<Lesson, 'kept'>; keep: string[] }[] = []
  for await (const { requests, probes } of cases) {
    const paraphrases = probes.flatMap((p) =>
      p.property === 'generality' && p.expected !== 'same-as-before' && p.writes === undefined && p.expected.length > 0
        ? [answerRow(model, { prompt: p.prompt, target: p.expected[0]! })]
        : []
    )
    const keep = probes.flatMap((p) =>
      p.property === 'locality' && p.expected === 'same-as-before' && !APART.includes(p.kind) ? [p.prompt] : []
    )
    const edit = answerRow(model, requests[0])
    found.push({
      lesson: { edit, asked: paraphrases.length > 0 ? paraphrases : [edit] },
      keep: keep.slice(0, KEPT_TEXTS)
    })
  }
  if (!found.some((f) => f.keep.length > 0)) return []
  const texts = [...new Set(found.flatMap((f) => f.keep))]
  const said = model.generate(
    texts.map((prompt) => ({ prompt })),
    { maxNewTokens: KEPT_TOKENS, pastEnd: true }
  )
  const rows = new Map(texts.map((text, i) => [text, textOf(model, text, said[i]!)]))
  return found.map(({ lesson, keep }) => ({ ...lesson, kept: keep.map((text) => rows.get(text)!) }))
}
