import type { EditCase } from '../../datasets/types'
import { type Edit, nameUnder } from '../edit'
import { encodePrompt, encodeTarget, type LanguageModel, NotFinite } from '../model'
import type { AnswerRow } from '../results/rows'
import { divergencesOf, scoresBetween } from './asking/further'
import { SHOWN_TOKENS, tooLongUnder } from './asking/lengths'
import { type Continuation, continuations, generatedQuestion, question, type ScoreOptions } from './asking/questions'
import { type Asking, answerRow } from './asking/row'
import { type BaseAnswers, Scores } from './asking/scores'
import { verdict } from './asking/verdicts'
import { answersTo, freeWordsAfter, thoughtsOf, wordsAfter, writtenAfter, writtenIn } from './asking/words'
import { freeAnswers } from './free-answers'
import { forgetful } from './remember'
import { writtenTexts } from './written'

export { tooLong } from './asking/lengths'
export type { ScoreOptions } from './asking/questions'
export { type BaseAnswers, someOf } from './asking/scores'

/**
 * Asks the base model every probe: its own greedy answers, and the teacher-forced scores of all continuations.
 * @throws UserError when its logits are not finite
 */
export function askBase(model: LanguageModel, cases: readonly EditCase[], options: ScoreOptions): BaseAnswers {
  const { tokenizer } = model
  const { freeAnswers: freely, remember = forgetful } = options
  const probes = cases.flatMap((c) => c.probes)
  const targets = probes.flatMap((p) => (p.expected === 'same-as-before' ? [] : p.expected))
  const longest = Math.max(0, ...targets.map((text) => encodeTarget(tokenizer, text).length))
  const answerTokens = Math.max(options.localityTokens, Math.min(SHOWN_TOKENS, longest + 1))
  const aloud = probes.filter((p) => p.answersAfter !== undefined)
  const prompts = aloud.map(({ prompt, answersAfter }) => ({ prompt, answersAfter }))
  const thoughtsSaid = remember('thoughts', prompts, () => thoughtsOf(model, aloud))
  const thoughts = new Map(thoughtsSaid.map((said, i) => [aloud[i]!, said]))
  const toWrite = writtenIn(cases)
  const writing = toWrite.map(({ probe, id }) => [id, probe.writes!.prompts])
  const writtenBefore = remember('written', writing, () => writtenTexts(model, toWrite))
  const written = new Map(toWrite.map(({ probe }, i) => [probe, writtenBefore[i]!]))
  const texts = [...new Set(probes.flatMap((p) => (thoughts.has(p) || written.has(p) ? [] : [p.prompt])))]
  const asPrompts = texts.map((prompt) => ({ prompt }))
  const said = remember('answers', [answerTokens, texts], () => answersTo(model, asPrompts, answerTokens))
  const own = new Map(texts.map((text, i) => [text, { ids: encodePrompt(tokenizer, text), said: said[i]! }]))
  const freelySaid =
    freely === undefined ? [] : remember('free answers', [freely, texts], () => freeAnswers(model, asPrompts, freely))
  const free = new Map(freelySaid.map((a, i) => [texts[i]!, a]))
  const questions = cases.map((c) =>
    c.probes.map((probe) => {
      const thought = thoughts.get(probe)
      if (thought !== undefined) return generatedQuestion(model, probe, thought)
      const wrote = written.get(probe)
      if (wrote !== undefined) return { ...generatedQuestion(model, probe, wrote.join('\n')), written: wrote }
      const asked = question(model, probe, own.get(probe.prompt)!, options)
      return freely === undefined ? asked : { ...asked, free: free.get(probe.prompt)! }
    })
  )
  const asked = questions.flat().flatMap((q) => [...continuations(q), ...(q.needs ?? [])])
  const scores = new Scores(model, asked, () => undefined, remember)
  const common = { cases, questions, scores, measures: options.measures ?? [], answerTokens }
  return freely === undefined ? common : { ...common, freeAnswers: freely }
}

/** Answers under the edits, and the cases whose edit left no model that answers. */
export interface EditedAnswers {
  readonly rows: readonly AnswerRow[]
  /** Why, by case. */
  readonly broken: ReadonlyMap<number, string>
}

/**
 * Asks the edited model the probes of the cases whose edit is given, and lays the answers beside the base model's.
 * @param edits by case; cases without one (failed) have no rows; `null` is the model as it is
 */
export function askEdited(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | null | undefined)[],
  asking: Asking
): EditedAnswers {
  const editOf = (i: number) => edits[i] ?? undefined
  const broken = new Map<number, string>()
  for (const [i, questions] of base.questions.entries()) {
    const problem = editOf(i) && tooLongUnder(model, editOf(i)!, questions)
    if (problem !== undefined) broken.set(i, problem)
  }
  const unasked = new Set(broken.keys())
  const owner = new Map<Continuation, number>()
  for (const [i, questions] of base.questions.entries()) {
    if (edits[i] === undefined || broken.has(i)) continue
    for (const c of questions.flatMap(continuations)) owner.set(c, i)
  }
  const scores = new Scores(model, [...owner.keys()], (c) => editOf(owner.get(c)!))
  for (const [c, i] of owner)
    if (!scores.of(c).finite) broken.set(i, new NotFinite(nameUnder(model, editOf(i))).message)
  const asked = (i: number) =>
    edits[i] !== undefined && !unasked.has(i) && (asking.brokenIsWrong === true || !broken.has(i))
  const verdicts = base.questions.map((questions, i) =>
    asked(i) ? questions.map((q) => verdict(model, q, base.scores, scores, !broken.has(i))) : []
  )
  const under = edits.map((_, i) => editOf(i))
  const words = wordsAfter(model, base, under, verdicts, broken)
  const written = writtenAfter(model, base, under, asked, broken)
  const free = freeWordsAfter(model, base, under, asked, broken)
  const kl = divergencesOf(model, base, edits, (i) => asked(i) && !broken.has(i))
  const between = scoresBetween(model, base, asking.between ?? [], asked)
  const rows = base.cases.flatMap((c, i) =>
    asked(i)
      ? verdicts[i]!.map((v, probe) =>
          answerRow(model, asking, i, c.id, probe, base, scores, v, {
            words: words[i]![probe]!,
            free: free.get(v.question),
            kl: kl.get(v.question),
            written: written.get(v.question),
            between: between.get(v.question)
          })
        )
      : []
  )
  return { rows, broken }
}
