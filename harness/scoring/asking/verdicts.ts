import type { Probe } from '../../../datasets/types'
import type { LanguageModel } from '../../model'
import { goesOnInWord, isSameAnswer, isStop, textOf, wordsOf } from '../answers'
import { type Continuation, isGenerated, type Question } from './questions'
import type { Scores } from './scores'

/** An edited model's answer to one question, decided without generating it. */
export interface Verdict {
  readonly question: Question
  /** The accepted answer that fits best, after the edit and before it. */
  readonly best: Continuation
  readonly bestBefore: Continuation
  readonly exactBefore: boolean
  readonly exactAfter: boolean
  /** Whether the edited model's numbers are numbers. */
  readonly finite: boolean
  /** Whether the right answer also ends there. */
  readonly endsAfter: boolean
}

export function verdict(
  model: LanguageModel,
  question: Question,
  base: Scores,
  edited: Scores,
  finite: boolean
): Verdict {
  if (isGenerated(question)) {
    const best = { prompt: question.probe.prompt, ids: question.ids, target: [] }
    const exactBefore = isAccepted(question.before, question.probe)
    return { question, best, bestBefore: best, exactBefore, exactAfter: false, finite, endsAfter: false }
  }
  const own = question.probe.expected === 'same-as-before'
  const fits = (scores: Scores) =>
    question.answers
      .map((c) => {
        const { argmax } = scores.of(c)
        const share = matching(argmax, c.target)
        // The base model's own answer is compared up to where it ends, or is cut.
        const exact = own ? isSameAnswer(model.tokenizer, c.target, argmax) : says(model, c, scores)
        return { c, share, exact }
      })
      .reduce((a, b) => ((Number(b.exact) - Number(a.exact) || b.share - a.share) > 0 ? b : a))
  const [before, after] = [fits(base), fits(edited)]
  return {
    question,
    best: after.c,
    bestBefore: before.c,
    exactBefore: before.exact,
    exactAfter: finite && after.exact,
    finite,
    endsAfter: finite && after.exact && (own || isStop(model.tokenizer, edited.of(after.c).next))
  }
}

/** Whether greedy decoding gives just this, and does not go on inside the same word. */
export function says({ tokenizer }: LanguageModel, c: Continuation, scores: Scores): boolean {
  const { argmax, next } = scores.of(c)
  return matching(argmax, c.target) === 1 && !goesOnInWord(tokenizer, c.ids, c.target, next)
}

/** Whether an answer is one of the accepted ones, as MQuAKE compares them: equal but for the space around them. */
export const isAccepted = (answer: string, { expected }: { readonly expected: Probe['expected'] }): boolean =>
  expected !== 'same-as-before' && expected.includes(answer)

/** The expected answer as it is shown: locality's without the sign it ends with. */
export function expectedText({ tokenizer }: LanguageModel, { question, best }: Verdict): string {
  const text = question.probe.expected === 'same-as-before' ? wordsOf : textOf
  return text(tokenizer, best.ids, best.target).trim()
}

/** Share of equal tokens, position by position. */
export function matching(a: readonly number[], b: readonly number[]): number {
  return b.length === 0 ? 0 : b.filter((id, i) => id === a[i]).length / b.length
}
