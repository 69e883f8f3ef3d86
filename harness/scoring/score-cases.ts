import type { EditCase, Probe } from '../../datasets/types'
import type { Edit } from '../edit/types'
import {
  encodePrompt,
  encodeTarget,
  greedy,
  type LanguageModel,
  scoreTargets,
  type TargetScore,
  type TargetToScore
} from '../model'
import type { AnswerRow } from '../results/rows'

export interface ScoreOptions {
  /** Longest answer of the base model that locality compares, in tokens. */
  readonly localityTokens: number
}

/** A continuation of a prompt, as ids. */
interface Continuation {
  readonly prompt: readonly number[]
  readonly target: readonly number[]
}

/** What is asked about one probe. */
interface Question {
  readonly probe: Probe
  /** Accepted answers, or the base model's own. */
  readonly answers: readonly Continuation[]
  readonly better?: Continuation
  readonly worse?: Continuation
  /** The gold answer over whose positions EasyEdit compares the choices before and after. */
  readonly gold?: Continuation
}

/** The cases of one shard, with everything about the unedited model: made once, used by every method. */
export interface BaseAnswers {
  readonly cases: readonly EditCase[]
  readonly questions: readonly (readonly Question[])[]
  readonly scores: Scores
}

/**
 * Asks the base model every probe: its greedy answers where they are the expected ones, and the teacher-forced scores of all
 * continuations.
 */
export function askBase(model: LanguageModel, cases: readonly EditCase[], options: ScoreOptions): BaseAnswers {
  const own = ownAnswers(model, cases, options)
  const questions = cases.map((c) => c.probes.map((probe) => question(model, probe, own)))
  return { cases, questions, scores: new Scores(model, questions.flat().flatMap(continuations), () => undefined) }
}

/**
 * Asks the edited model the probes of the cases whose edit is given, and lays the answers beside the base model's.
 * @param edits by case; cases without one (failed) have no rows
 */
export function askEdited(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  setting: string
): AnswerRow[] {
  const owner = new Map<Continuation, Edit>()
  for (const [i, questions] of base.questions.entries()) {
    const edit = edits[i]
    if (edit === undefined) continue
    for (const asked of questions.flatMap(continuations)) owner.set(asked, edit)
  }
  const edited = new Scores(model, [...owner.keys()], (c) => owner.get(c))
  return base.cases.flatMap((c, i) =>
    edits[i] === undefined
      ? []
      : base.questions[i]!.map((q, probe) => answerRow(model, setting, c.id, probe, q, base.scores, edited))
  )
}

/** Why a case cannot be asked of this model, undefined when it can: a text that is longer than the model's positions. */
export function tooLong(
  model: LanguageModel,
  { request, probes }: EditCase,
  { localityTokens }: ScoreOptions
): string | undefined {
  const { tokenizer, config } = model
  const length = (text: string) => encodePrompt(tokenizer, text).length
  const answer = ({ expected, compare, gold }: Probe) =>
    Math.max(
      expected === 'same-as-before' ? localityTokens : 0,
      ...[...(expected === 'same-as-before' ? [] : expected), compare?.better, compare?.worse, gold].map((text) =>
        text === undefined ? 0 : encodeTarget(tokenizer, text).length
      )
    )
  const longest = Math.max(
    length(`${request.prompt} ${request.target}`),
    ...probes.map((probe) => length(probe.prompt) + answer(probe))
  )
  return longest > config.maxPositions
    ? `a text of ${longest} tokens is longer than the model's ${config.maxPositions} positions`
    : undefined
}

/** Scores of continuations under one edit each (or none); equal ones are asked once. */
class Scores {
  readonly #scores = new Map<Continuation, TargetScore>()

  constructor(model: LanguageModel, asked: readonly Continuation[], editOf: (c: Continuation) => Edit | undefined) {
    const items: TargetToScore[] = []
    const known = new Map<Edit | undefined, Map<string, number>>()
    const place = asked.map((c) => {
      const edit = editOf(c)
      const seen = known.get(edit) ?? new Map<string, number>()
      known.set(edit, seen)
      const key = `${c.prompt.join()} ${c.target.join()}`
      const at = seen.get(key) ?? items.push({ ...c, ...(edit === undefined ? {} : { edit }) }) - 1
      seen.set(key, at)
      return at
    })
    const scores = scoreTargets(model, items)
    for (const [i, c] of asked.entries()) this.#scores.set(c, scores[place[i]!]!)
  }

  of(c: Continuation): TargetScore {
    return this.#scores.get(c)!
  }
}

const continuations = ({ answers, better, worse, gold }: Question): Continuation[] =>
  [...answers, better, worse, gold].filter((c) => c !== undefined)

function question(model: LanguageModel, probe: Probe, own: ReadonlyMap<string, readonly number[]>): Question {
  const prompt = encodePrompt(model.tokenizer, probe.prompt)
  const after = (text: string): Continuation => ({ prompt, target: encodeTarget(model.tokenizer, text) })
  const answers =
    probe.expected === 'same-as-before' ? [{ prompt, target: own.get(probe.prompt)! }] : probe.expected.map(after)
  return {
    probe,
    answers,
    ...(probe.compare === undefined ? {} : { better: after(probe.compare.better), worse: after(probe.compare.worse) }),
    ...(probe.gold === undefined ? {} : { gold: after(probe.gold) })
  }
}

/** The base model's greedy answers to the prompts whose answer must stay, up to and with the token that ends a sentence. */
function ownAnswers(
  model: LanguageModel,
  cases: readonly EditCase[],
  { localityTokens }: ScoreOptions
): Map<string, number[]> {
  const prompts = new Set(
    cases.flatMap((c) => c.probes.filter((p) => p.expected === 'same-as-before').map((p) => p.prompt))
  )
  const texts = [...prompts]
  const answers = greedy(
    model,
    texts.map((text) => encodePrompt(model.tokenizer, text)),
    { maxNewTokens: localityTokens }
  )
  return new Map(texts.map((text, i) => [text, firstSentence(model, answers[i]!)]))
}

function firstSentence(model: LanguageModel, ids: readonly number[]): number[] {
  const end = ids.findIndex((id) => /[.!?\n]/.test(model.tokenizer.decode([id])))
  // An answer that ends at once is the end of the text itself.
  if (ids.length === 0) return [model.tokenizer.endOfText]
  return end < 0 ? [...ids] : ids.slice(0, end + 1)
}

function answerRow(
  model: LanguageModel,
  setting: string,
  caseId: string,
  index: number,
  q: Question,
  base: Scores,
  edited: Scores
): AnswerRow {
  const { tokenizer } = model
  const share = (c: Continuation, scores: Scores) => matching(scores.of(c).argmax, c.target)
  const best = q.answers.reduce((a, b) => (share(b, edited) > share(a, edited) ? b : a))
  const best0 = q.answers.reduce((a, b) => (share(b, base) > share(a, base) ? b : a))
  const nll = (c: Continuation | undefined, scores: Scores) => (c === undefined ? null : mean(scores.of(c).nll))
  const { property, kind, prompt } = q.probe
  const text = (ids: readonly number[]) => tokenizer.decode(ids).trim()
  return {
    setting,
    caseId,
    probe: index,
    property,
    kind,
    prompt,
    expected: text(best.target),
    before: text(base.of(best0).argmax),
    after: text(edited.of(best).argmax),
    exactBefore: share(best0, base) === 1,
    exactAfter: share(best, edited) === 1,
    // EasyEdit compares the choices before and after over the gold answer's positions, where a dataset has one.
    shareBefore: q.gold === undefined ? share(best0, base) : 1,
    shareAfter: q.gold === undefined ? share(best, edited) : matching(edited.of(q.gold).argmax, base.of(q.gold).argmax),
    betterNllBefore: nll(q.better, base),
    betterNllAfter: nll(q.better, edited),
    worseNllBefore: nll(q.worse, base),
    worseNllAfter: nll(q.worse, edited)
  }
}

/** Share of equal tokens, position by position. */
function matching(a: readonly number[], b: readonly number[]): number {
  return b.length === 0 ? 0 : b.filter((id, i) => id === a[i]).length / b.length
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
