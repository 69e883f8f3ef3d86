import { divergenceEdited, type Edit } from '../../edit'
import type { LanguageModel } from '../../model'
import { mean } from '../../statistics/intervals'
import { type Continuation, furtherOf, type Question } from './questions'
import { type BaseAnswers, Scores, scoresOf } from './scores'

/** What measures keep of questions under all but the last of a case's edits, where they want that. */
export function scoresBetween(
  model: LanguageModel,
  { questions, measures: all }: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  asked: (i: number) => boolean
): Map<Question, Record<string, number>> {
  const measures = all.filter((m) => m.between === true)
  const names = (q: Question) => new Set(furtherOf(q.probe, measures).map(([name]) => name))
  const owner = new Map<Continuation, Edit>()
  const wanted = questions.flatMap((list, i) =>
    edits[i] !== undefined && asked(i) ? list.map((q) => ({ q, edit: edits[i]! })) : []
  )
  for (const { q, edit } of wanted) for (const name of names(q)) for (const c of q.further[name]!) owner.set(c, edit)
  if (owner.size === 0) return new Map()
  const scores = new Scores(model, [...owner.keys()], (c) => owner.get(c))
  const further = (q: Question) => Object.fromEntries([...names(q)].map((name) => [name, q.further[name]!]))
  return new Map(wanted.map(({ q }) => [q, scoresOf({ ...q, further: further(q) }, measures, scores, 'between')]))
}

/** Mean divergence of the questions that want it. */
export function divergencesOf(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | null | undefined)[],
  asked: (i: number) => boolean
): Map<Question, number> {
  const items = base.questions.flatMap((questions, i) =>
    asked(i) ? questions.flatMap((q) => q.diverge.map((c) => ({ ...c, question: q, edit: edits[i] ?? undefined }))) : []
  )
  const tokens = new Map<Question, number[]>()
  for (const [k, kl] of divergenceEdited(model, items).entries()) {
    const { question: q } = items[k]!
    tokens.set(q, [...(tokens.get(q) ?? []), ...kl])
  }
  return new Map([...tokens].map(([q, kl]) => [q, mean(kl)]))
}
