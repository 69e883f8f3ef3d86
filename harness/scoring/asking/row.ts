import type { Probe } from '../../../datasets/types'
import type { Edit } from '../../edit'
import type { LanguageModel } from '../../model'
import type { AnswerRow } from '../../results/rows'
import { answersFreely } from '../free-answers'
import { BASE_KNOWS, DIVERGENCE, ENTROPY, FREE, SIMILARITY, type Side, scoreKey, TRUE } from '../measures'
import { consistencyOf, fluencyOf } from '../written'
import { type Continuation, isGenerated } from './questions'
import { type BaseAnswers, type Scores, scoresOf } from './scores'
import { expectedText, isAccepted, matching, says, type Verdict } from './verdicts'

/** When answers are asked for: under which setting, how many cases were edited into the model that each case is asked of, and whether it is at a checkpoint. */
export interface Asking {
  readonly setting: string
  readonly held: number | readonly number[]
  readonly checkpoint?: boolean
  /** Numbers that are none are wrong answers, not failed cases: in a sequence the model that an edit ruined is the one that answers. */
  readonly brokenIsWrong?: boolean
  /** By case: what was there before the last of facts that were inserted one after another. */
  readonly between?: readonly (Edit | undefined)[]
}

/** What an edited model says to a question. */
export interface After {
  readonly words: string
  readonly free: string | undefined
  readonly kl: number | undefined
  readonly written: readonly string[] | undefined
  /** What measures keep of the model between its edits. */
  readonly between: Readonly<Record<string, number>> | undefined
}

export function answerRow(
  model: LanguageModel,
  { setting, held, checkpoint = false }: Asking,
  caseIndex: number,
  caseId: string,
  index: number,
  { scores: base, measures }: BaseAnswers,
  edited: Scores,
  v: Verdict,
  { words, free, kl, written, between }: After
): AnswerRow {
  const { question: q, best, bestBefore, exactBefore } = v
  const aloud = isGenerated(q)
  const after = q.written === undefined ? words : (written ?? []).join('\n')
  const exactAfter = aloud ? v.finite && isAccepted(after, q.probe) : v.exactAfter
  const share = (c: Continuation, scores: Scores) => matching(scores.of(c).argmax, c.target)
  const { property, kind, prompt, anyOf = null, needs } = q.probe
  const expected = aloud ? acceptedText(q.probe, after) : expectedText(model, v)
  return {
    setting,
    caseId,
    probe: index,
    property,
    kind,
    prompt,
    expected,
    before: q.before,
    after,
    exactBefore,
    exactAfter,
    longerAfter: exactAfter && after !== expected,
    // EasyEdit compares the choices before and after over the gold answer's positions, where a dataset has one.
    shareBefore: aloud ? Number(exactBefore) : q.gold === undefined ? share(bestBefore, base) : 1,
    shareAfter: aloud
      ? Number(exactAfter)
      : !v.finite
        ? 0
        : q.gold === undefined
          ? share(best, edited)
          : matching(edited.of(q.gold).argmax, base.of(q.gold).argmax),
    scores: {
      ...scoresOf(q, measures, base, 'before'),
      ...scoresOf(q, measures, edited, 'after'),
      ...between,
      ...(q.truth === undefined ? {} : truthOf(model, q.truth, base, edited, v.finite)),
      ...(q.free === undefined ? {} : freeScores(q.probe, q.free, free)),
      ...(q.written === undefined ? {} : writtenScores(q.probe, q.written, written)),
      ...(q.diverge.length === 0 ? {} : { [scoreKey(DIVERGENCE, 'after')]: kl ?? Number.POSITIVE_INFINITY }),
      ...(q.needs === undefined ? {} : { [BASE_KNOWS]: Number(q.needs.some((c) => says(model, c, base))) }),
      ...(aloud && needs !== undefined ? { [BASE_KNOWS]: Number(isAccepted(q.before, needs)) } : {})
    },
    freeBefore: q.free ?? null,
    freeAfter: q.free === undefined ? null : (free ?? ''),
    anyOf,
    held: typeof held === 'number' ? held : held[caseIndex]!,
    checkpoint
  }
}

/** The accepted answer that was given, or the first of them. */
const acceptedText = ({ expected }: Probe, after: string): string =>
  expected === 'same-as-before' ? '' : (expected.find((e) => e === after) ?? expected[0]!)

/** Whether the models say what is true, where what is expected is the base model's own answer. */
function truthOf(
  model: LanguageModel,
  truth: readonly Continuation[],
  base: Scores,
  edited: Scores,
  finite: boolean
): Record<string, number> {
  const known = (scores: Scores) => truth.some((c) => says(model, c, scores))
  return { [scoreKey(TRUE, 'before')]: Number(known(base)), [scoreKey(TRUE, 'after')]: Number(finite && known(edited)) }
}

/** Whether free answers are right; where nothing is to change, whether they are alike. A model whose numbers overflow has none. */
function freeScores({ expected }: Probe, before: string, after: string | undefined): Record<string, number> {
  const own = expected === 'same-as-before'
  const right = (answer: string | undefined) =>
    Number(answer !== undefined && answersFreely(answer, own ? [before] : expected))
  return { [scoreKey(FREE, 'before')]: right(before), [scoreKey(FREE, 'after')]: right(after) }
}

function writtenScores(
  probe: Probe,
  before: readonly string[],
  after: readonly string[] = ['']
): Record<string, number> {
  const of = (side: Side, texts: readonly string[]) => {
    const similarity = consistencyOf(texts, probe)
    return {
      [scoreKey(ENTROPY, side)]: fluencyOf(texts),
      ...(similarity === undefined ? {} : { [scoreKey(SIMILARITY, side)]: similarity })
    }
  }
  return { ...of('before', before), ...of('after', after) }
}
