import type { EditCase } from '../../../datasets/types'
import { type Edit, scoreEdited, type UnderEdit } from '../../edit'
import type { LanguageModel, TargetScore, ToScore } from '../../model'
import type { FreeAnswerOptions } from '../free-answers'
import { type Measure, type Moment, scoreKey } from '../measures'
import { forgetful } from '../remember'
import { type Continuation, isAbout, type Question } from './questions'

/** Scores of continuations under one edit each (or none); equal ones are asked once. */
export class Scores {
  readonly #scores = new Map<Continuation, TargetScore>()

  constructor(
    model: LanguageModel,
    asked: readonly Continuation[],
    editOf: (c: Continuation) => Edit | undefined,
    remember = forgetful
  ) {
    const items: (ToScore & UnderEdit)[] = []
    const known = new Map<Edit | undefined, Map<string, number>>()
    const place = asked.map((c) => {
      const edit = editOf(c)
      const seen = known.get(edit) ?? new Map<string, number>()
      known.set(edit, seen)
      const key = `${c.target.join()} ${c.prompt}`
      const at = seen.get(key) ?? items.push({ ...c, edit }) - 1
      seen.set(key, at)
      return at
    })
    const texts = items.map(({ prompt, target }) => [prompt, target])
    const scores = remember('scores', texts, () => scoreEdited(model, items))
    for (const [i, c] of asked.entries()) this.#scores.set(c, scores[place[i]!]!)
  }

  of(c: Continuation): TargetScore {
    return this.#scores.get(c)!
  }
}

/** Some cases with everything about the unedited model: made once, used by every method. */
export interface BaseAnswers {
  readonly cases: readonly EditCase[]
  readonly questions: readonly (readonly Question[])[]
  readonly scores: Scores
  readonly measures: readonly Measure[]
  /** Longest answer that is generated, in tokens. */
  readonly answerTokens: number
  readonly freeAnswers?: FreeAnswerOptions
}

/** The answers of some of the cases. */
export function someOf(base: BaseAnswers, chosen: readonly number[]): BaseAnswers {
  return { ...base, cases: chosen.map((i) => base.cases[i]!), questions: chosen.map((i) => base.questions[i]!) }
}

/** What the measures keep of one side of a question. */
export function scoresOf(
  { further, probe }: Question,
  measures: readonly Measure[],
  scores: Scores,
  side: Moment
): Record<string, number> {
  const scored = Object.fromEntries(
    Object.entries(further).map(([name, texts]) => [name, joined(texts.map((c) => scores.of(c)))])
  )
  const kept = measures.filter((m) => isAbout(m, probe)).flatMap((m) => Object.entries(m.scores?.(scored, probe) ?? {}))
  // A likelihood that is no number is none at all.
  const number = (value: number) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value)
  return Object.fromEntries(kept.map(([name, value]) => [scoreKey(name, side), number(value)]))
}

/** Several texts as one: their tokens follow one another. */
const joined = (scores: readonly TargetScore[]): TargetScore => ({
  argmax: scores.flatMap((s) => s.argmax),
  nll: scores.flatMap((s) => s.nll),
  next: scores.at(-1)?.next ?? -1,
  finite: scores.every((s) => s.finite)
})
