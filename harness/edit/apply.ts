import { UserError } from '../errors'
import {
  type Changes,
  type ChangesOf,
  divergences,
  encodePrompt,
  encodeTarget,
  type GenerateOptions,
  type LanguageModel,
  NotFinite,
  type SiteChange,
  type TargetScore,
  type ToContinue,
  type ToScore
} from '../model'
import { checkEdit } from './check'
import { mergedParts } from './combine'
import { type EditPart, KINDS, kindOf } from './kinds'
import type { Edit } from './types'

/*
 * Asking models under edits. Every item carries its own edit, or none, and items under different edits share batches.
 */

/** The edit an item is asked under; the model as it is when missing. */
export interface UnderEdit {
  readonly edit?: Edit | undefined
}

/** Stands for the model as it is. */
const NO_EDIT = {}

/**
 * Teacher-forced scores, each item under its own edit.
 * @param more changes that come after those of the edits
 * @throws UserError when an unedited model's logits are not finite
 */
export function scoreEdited(
  model: LanguageModel,
  items: readonly (ToScore & UnderEdit)[],
  more?: ChangesOf
): TargetScore[] {
  const asked = items.map((item) => askedOf(item, model))
  const scores: TargetScore[] = new Array(items.length)
  const open = asked.flatMap((a, i) => (a.answer === undefined ? [i] : []))
  const edits = open.map((i) => asked[i]!.edit)
  const texts = open.map((i) => ({
    prompt: asked[i]!.prompt,
    target: items[i]!.target,
    ...(more === undefined ? { under: asked[i]!.edit ?? NO_EDIT } : {})
  }))
  const changesOf = oneAfterTheOther(changesUnder(edits, model), more && ((batch) => more(batch.map((k) => open[k]!))))
  for (const [k, score] of model.score(texts, changesOf).entries()) {
    if (!score.finite && more === undefined && items[open[k]!]!.edit === undefined)
      throw new NotFinite(`the model ${model.name}`)
    scores[open[k]!] = score
  }
  for (const [i, { answer }] of asked.entries())
    if (answer !== undefined) scores[i] = scoreOfAnswer(model, answer, items[i]!.target)
  return scores
}

/** How far each edit takes the model's choices from those of the model as it is, in nats, at every token of a target. */
export function divergenceEdited(model: LanguageModel, items: readonly (ToScore & UnderEdit)[]): number[][] {
  const asked = items.map((item) => askedOf(item, model))
  const open = asked.flatMap((a, i) => (a.answer === undefined ? [i] : []))
  const changesOf = changesUnder(
    open.map((i) => asked[i]!.edit),
    model
  )
  const ids = (text: string) => encodePrompt(model.tokenizer, text)
  const rows = open.map((i) => ({
    prompt: ids(items[i]!.prompt),
    changedPrompt: ids(asked[i]!.prompt),
    target: items[i]!.target
  }))
  const out = items.map(({ target }) => target.map(() => NEVER_NLL))
  for (const [k, kl] of divergences(model, rows, changesOf).entries()) out[open[k]!] = kl
  return out
}

/** Greedy continuations, each item under its own edit; changes in the options come after those of the edits. @throws NotFinite that names the item */
export function generateEdited(
  model: LanguageModel,
  items: readonly (ToContinue & UnderEdit)[],
  { changesOf: more, ...options }: GenerateOptions
): number[][] {
  const asked = items.map((item) => askedOf(item, model))
  const out: number[][] = new Array(items.length)
  const open = asked.flatMap((a, i) => (a.answer === undefined ? [i] : []))
  const edits = open.map((i) => asked[i]!.edit)
  const changesOf = oneAfterTheOther(changesUnder(edits, model), more && ((batch) => more(batch.map((k) => open[k]!))))
  const texts = open.map((i) => ({ ...items[i]!, prompt: asked[i]!.prompt }))
  try {
    const said = model.generate(texts, { ...options, ...(changesOf === undefined ? {} : { changesOf }) })
    for (const [k, ids] of said.entries()) out[open[k]!] = ids
  } catch (error) {
    if (!(error instanceof NotFinite) || error.item === undefined) throw error
    const item = open[error.item]!
    throw new NotFinite(nameUnder(model, items[item]!.edit), item)
  }
  for (const [i, { answer }] of asked.entries())
    if (answer !== undefined) out[i] = saidOfAnswer(model, answer, items[i]!.said ?? [], options)
  return out
}

/** What to call a model under an edit. */
export const nameUnder = (model: LanguageModel, edit: Edit | undefined): string =>
  edit === undefined ? `the model ${model.name}` : `the model edited by ${edit.method}`

/** What an item comes to under its edit: another prompt, no edit at all, or an answer without a model. */
interface Asked {
  readonly prompt: string
  readonly edit: Edit | undefined
  readonly answer?: string
}

/** What a model is asked under an edit instead of a prompt; undefined when it is not asked at all. */
export function promptUnder(model: LanguageModel, edit: Edit | undefined, prompt: string): string | undefined {
  const asked = askedOf({ prompt, edit }, model)
  return asked.answer === undefined ? asked.prompt : undefined
}

function askedOf({ prompt, edit }: { readonly prompt: string } & UnderEdit, model: LanguageModel): Asked {
  if (edit === undefined) return { prompt, edit }
  let rewritten = prompt
  for (const part of edit.parts) {
    const kind = kindOf(part)
    if (kind.applies?.(part, prompt) === false) return { prompt, edit: undefined }
    const answer = kind.answer?.(part, rewritten)
    if (answer !== undefined) return { prompt, edit, answer }
    rewritten = kind.rewrite?.(part, rewritten) ?? rewritten
  }
  if (rewritten !== prompt && model.tokenizer.encode(rewritten).length === 0)
    throw new UserError(`${edit.method} leaves nothing of the prompt '${prompt}'`)
  return { prompt: rewritten, edit }
}

/** Of a token that an answer does not have: as good as never. */
const NEVER_NLL = -Math.log(1e-12)

/** An answer without a model is certain of its tokens, and of its end. */
function scoreOfAnswer({ tokenizer }: LanguageModel, answer: string, target: readonly number[]): TargetScore {
  const ids = encodeTarget(tokenizer, answer)
  const at = (i: number) => ids[i] ?? tokenizer.endOfText
  return {
    argmax: target.map((_, i) => at(i)),
    nll: target.map((id, i) => (id === at(i) ? 0 : NEVER_NLL)),
    next: at(target.length),
    finite: true
  }
}

function saidOfAnswer(
  { tokenizer }: LanguageModel,
  answer: string,
  said: readonly number[],
  { maxNewTokens, endsWith }: Omit<GenerateOptions, 'changesOf'>
): number[] {
  const rest = encodeTarget(tokenizer, answer).slice(said.length, said.length + maxNewTokens)
  const end = rest.findIndex((id) => endsWith?.(id) === true)
  return end < 0 ? rest : rest.slice(0, end + 1)
}

/** The changes of batches whose items carry these edits; undefined when no item carries one. @throws UserError for an edit that cannot act on the model */
export function changesUnder(
  edits: readonly (Edit | undefined)[],
  model: Pick<LanguageModel, 'config' | 'weightShape'>
): ChangesOf | undefined {
  const distinct = [...new Set(edits.filter((e) => e !== undefined))]
  if (distinct.length === 0) return undefined
  for (const edit of distinct) checkEdit(edit, model)
  const merged = new Map(distinct.map((edit) => [edit, mergedParts(edit.parts)]))
  return (items) => changesOfRows(items.map((i) => (edits[i] === undefined ? [] : merged.get(edits[i])!)))
}

/** Two makers of changes as one. */
function oneAfterTheOther(first: ChangesOf | undefined, second: ChangesOf | undefined): ChangesOf | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return (items) => joinChanges(first(items), second(items))
}

/** What both do, the second to what the first has left. */
export function joinChanges(first: Changes, second: Changes = new Map()): Changes {
  const joined = new Map(first)
  for (const [site, next] of second) joined.set(site, after(joined.get(site), next))
  return joined
}

const after = (before: SiteChange | undefined, next: SiteChange): SiteChange =>
  before === undefined ? next : (x, y, where) => next(x, before(x, y, where), where)

/** Several changes at one site act one after another: all of one kind, then those of the next. */
function changesOfRows(rows: readonly (readonly EditPart[])[]): Changes {
  const changes = new Map<string, SiteChange>()
  for (const { kind, change } of KINDS) {
    if (change === undefined) continue
    const own = rows.map((parts) => parts.filter((p) => p.kind === kind))
    for (const site of new Set(own.flat().flatMap((p) => p.site ?? []))) {
      const there = own.map((parts) => parts.filter((p) => p.site === site))
      const most = Math.max(...there.map((parts) => parts.length))
      for (let nth = 0; nth < most; nth++) {
        const next = kindOf({ kind }).change!(there.map((parts) => parts[nth]))
        changes.set(site, after(changes.get(site), next))
      }
    }
  }
  return changes
}
