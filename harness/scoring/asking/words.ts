import type { EditCase, Probe } from '../../../datasets/types'
import { type Edit, generateEdited, type UnderEdit } from '../../edit'
import { encodePrompt, type LanguageModel, NotFinite, type ToContinue } from '../../model'
import { isStop, textOf, wordsOf } from '../answers'
import { freeAnswers } from '../free-answers'
import { type ToWrite, writtenTexts } from '../written'
import { THOUGHT_TOKENS } from './lengths'
import { isAloud, isGenerated, type Question } from './questions'
import type { BaseAnswers } from './scores'
import { expectedText, type Verdict } from './verdicts'

/*
 * What models say in words of their own: answers, thoughts before them, free answers, and texts that are written on.
 */

/** Greedy answers, up to and with the token that ends them where one does within so many tokens. */
export function answersTo(
  model: LanguageModel,
  items: readonly (ToContinue & UnderEdit)[],
  maxNewTokens: number
): number[][] {
  return generateEdited(model, items, { maxNewTokens, endsWith: (id) => isStop(model.tokenizer, id) })
}

/** The answers of models that think aloud first: what they say after the words that announce it, up to the end of the line; nothing where those are missing. */
export function thoughtsOf(model: LanguageModel, probes: readonly (Probe & UnderEdit)[]): string[] {
  const { tokenizer } = model
  const paragraph = (id: number) => tokenizer.decode([id]).includes('\n\n')
  const said = generateEdited(model, probes, { maxNewTokens: THOUGHT_TOKENS, endsWith: paragraph })
  return said.map((ids, i) => {
    const text = textOf(tokenizer, encodePrompt(tokenizer, probes[i]!.prompt), ids)
    const at = text.indexOf(probes[i]!.answersAfter!)
    return at < 0
      ? ''
      : text
          .slice(at + probes[i]!.answersAfter!.length)
          .split('\n')[0]!
          .trim()
  })
}

/** A row whose words are not known yet: what they follow, and what is known of them. */
interface OpenRow {
  readonly case: number
  readonly probe: number
  readonly prompt: string
  /** Ids of the prompt, and of what is known to follow it. */
  readonly ids: readonly number[]
  readonly said: readonly number[]
  readonly known: string
}

/**
 * The edited model's own words, up to a natural stop, by case and probe. Where the verdict is right they begin with the expected answer, which
 * mostly ends there; the others are generated, all together, each row with its own edit.
 */
export function wordsAfter(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  verdicts: readonly (readonly Verdict[])[],
  broken: Map<number, string>
): string[][] {
  const words = verdicts.map((list) => list.map((v) => (v.exactAfter ? expectedText(model, v) : '')))
  const open = verdicts.flatMap((list, i) =>
    list.flatMap((v, probe): OpenRow[] => {
      if (v.endsAfter || broken.has(i) || isGenerated(v.question)) return []
      const { prompt, ids, target } = v.best
      return [{ case: i, probe, prompt, ids, said: v.exactAfter ? target : [], known: words[i]![probe]! }]
    })
  )
  const say = (rows: readonly OpenRow[]) => {
    const items = rows.map(({ prompt, said, case: i }) => ({ prompt, said, edit: edits[i] }))
    for (const [k, added] of answersTo(model, items, base.answerTokens).entries()) {
      const { case: i, probe, known, ids, said } = rows[k]!
      words[i]![probe] = `${known}${wordsOf(model.tokenizer, [...ids, ...said], added)}`.trim()
    }
  }
  const aloud = verdicts.flatMap((list, i) =>
    broken.has(i)
      ? []
      : list.flatMap((v, probe) => (isAloud(v.question) ? [{ case: i, probe, asked: v.question.probe }] : []))
  )
  const think = (rows: readonly (typeof aloud)[number][]) => {
    const items = rows.map(({ asked, case: i }) => ({ ...asked, edit: edits[i] }))
    for (const [k, answer] of thoughtsOf(model, items).entries()) words[rows[k]!.case]![rows[k]!.probe] = answer
  }
  caseByCase(open, say, broken)
  caseByCase(aloud, think, broken)
  return words
}

/** The edited model's free answers, where those are asked; none of a model whose numbers overflow. */
export function freeWordsAfter(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  asked: (i: number) => boolean,
  broken: Map<number, string>
): Map<Question, string> {
  const said = new Map<Question, string>()
  const { freeAnswers: freely } = base
  if (freely === undefined) return said
  const rows = ofQuestions(base, asked, broken, (question, i) =>
    question.free === undefined ? [] : [{ case: i, question, prompt: question.probe.prompt, edit: edits[i] }]
  )
  const ask = (some: readonly (typeof rows)[number][]) => {
    for (const [k, answer] of freeAnswers(model, some, freely).entries()) said.set(some[k]!.question, answer)
  }
  caseByCase(rows, ask, broken)
  return said
}

/** What is to be written, under no edit yet. */
export const writtenIn = (cases: readonly EditCase[]): ToWrite[] =>
  cases.flatMap(({ id, probes }) => probes.flatMap((probe) => (probe.writes === undefined ? [] : [{ probe, id }])))

/** What the edited model writes; nothing of a model whose numbers overflow. */
export function writtenAfter(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  asked: (i: number) => boolean,
  broken: Map<number, string>
): Map<Question, readonly string[]> {
  const texts = new Map<Question, readonly string[]>()
  const rows = ofQuestions(base, asked, broken, (question, i) =>
    question.written === undefined
      ? []
      : [{ case: i, question, probe: question.probe, id: base.cases[i]!.id, edit: edits[i] }]
  )
  const write = (some: readonly (typeof rows)[number][]) => {
    for (const [k, wrote] of writtenTexts(model, some).entries()) texts.set(some[k]!.question, wrote)
  }
  caseByCase(rows, write, broken)
  return texts
}

/** Something of every question of the cases that can be asked. */
const ofQuestions = <T>(
  { questions }: BaseAnswers,
  asked: (i: number) => boolean,
  broken: ReadonlyMap<number, string>,
  of: (question: Question, i: number) => readonly T[]
): T[] => questions.flatMap((own, i) => (asked(i) && !broken.has(i) ? own.flatMap((q) => of(q, i)) : []))

/** Asks all rows together; where one case's numbers overflow in the middle of an answer, the others are asked without it. */
function caseByCase<Row extends { readonly case: number }>(
  rows: readonly Row[],
  ask: (rows: readonly Row[]) => void,
  broken: Map<number, string>
): void {
  try {
    ask(rows)
  } catch (error) {
    if (!(error instanceof NotFinite)) throw error
    for (const i of new Set(rows.map((r) => r.case))) {
      try {
        ask(rows.filter((r) => r.case === i))
      } catch (problem) {
        if (!(problem instanceof NotFinite)) throw problem
        broken.set(i, problem.message)
      }
    }
  }
}
