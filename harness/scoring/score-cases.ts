import { type Continued, type EditCase, OWN_MEASURES, type Probe } from '../../datasets/types'
import {
  divergenceEdited,
  type Edit,
  generateEdited,
  nameUnder,
  promptUnder,
  scoreEdited,
  type UnderEdit
} from '../edit'
import {
  encodePrompt,
  encodeTarget,
  type LanguageModel,
  NotFinite,
  type TargetScore,
  type ToContinue,
  type ToScore
} from '../model'
import type { AnswerRow } from '../results/rows'
import { mean } from '../statistics/intervals'
import { goesOnInWord, isSameAnswer, isStop, textOf, wordsOf } from './answers'
import { answersFreely, type FreeAnswerOptions, freeAnswers, inContext } from './free-answers'
import {
  BASE_KNOWS,
  DIVERGENCE,
  ENTROPY,
  FREE,
  type Measure,
  type Moment,
  SIMILARITY,
  type Side,
  scoreKey,
  TRUE
} from './measures'
import { forgetful, type Remember } from './remember'
import { consistencyOf, fluencyOf, type ToWrite, writtenTexts } from './written'

export interface ScoreOptions {
  /** Longest answer of the base model that locality compares, in tokens. */
  readonly localityTokens: number
  /** Measures that want more than the accepted answers scored. */
  readonly measures?: readonly Measure[]
  /** Every question is answered freely, too. */
  readonly freeAnswers?: FreeAnswerOptions
  /** Of what the unedited model said before. */
  readonly remember?: Remember
}

/** A continuation of a prompt. */
interface Continuation extends ToScore {
  /** The prompt's ids, which its text goes on from. */
  readonly ids: readonly number[]
}

/** What is asked about one probe. */
interface Question {
  readonly probe: Probe
  /** The prompt's ids. */
  readonly ids: readonly number[]
  /** Accepted answers, or the base model's own; none where the model thinks aloud first, which generation decides. */
  readonly answers: readonly Continuation[]
  /** What measures want scored besides, by name. */
  readonly further: Readonly<Record<string, readonly Continuation[]>>
  /** Right answers where the expected one is the base model's own. */
  readonly truth?: readonly Continuation[]
  /** Texts over which the models' choices are compared. */
  readonly diverge: readonly Continuation[]
  /** Answers of the question that this one takes for granted; asked of the unedited model alone. */
  readonly needs?: readonly Continuation[]
  /** The gold answer over whose positions EasyEdit compares the choices before and after. */
  readonly gold?: Continuation
  /** The base model's own words. */
  readonly before: string
  /** Its free answer, where those are asked. */
  readonly free?: string
  /** What it writes of itself, where that is asked instead of an answer. */
  readonly written?: readonly string[]
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

/** Longer answers than this are shown cut, unless the expected one is longer. */
const SHOWN_TOKENS = 16
/** Longest thoughts before an answer, with it. */
const THOUGHT_TOKENS = 128

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

/** Why a case cannot be asked of this model, undefined when it can: a text that is longer than the model's positions. */
export function tooLong(
  model: LanguageModel,
  { requests, probes }: EditCase,
  { localityTokens, measures, freeAnswers: freely }: ScoreOptions
): string | undefined {
  const { tokenizer, config } = model
  const length = (text: string) => encodePrompt(tokenizer, text).length
  const answer = (probe: Probe) => {
    const { expected, gold, truth = [], answersAfter } = probe
    if (answersAfter !== undefined) return THOUGHT_TOKENS
    if (probe.writes !== undefined) return 0
    const texts = [
      ...(expected === 'same-as-before' ? [] : expected),
      ...furtherOf(probe, measures).flatMap(([, texts]) => (typeof texts === 'string' ? [texts] : [])),
      ...truth,
      ...(gold === undefined ? [] : [gold])
    ]
    const own = expected === 'same-as-before' ? localityTokens : 0
    return Math.max(own, ...texts.map((text) => encodeTarget(tokenizer, text).length))
  }
  const continued = (probe: Probe) => [
    ...furtherOf(probe, measures).flatMap(([, texts]) => (typeof texts === 'string' ? [] : texts)),
    ...(probe.diverge ?? [])
  ]
  const longest = Math.max(
    ...requests.map(({ prompt, target }) => length(`${prompt} ${target}`)),
    ...probes.map((probe) => length(probe.prompt) + answer(probe)),
    ...probes.flatMap(({ writes }) => (writes?.prompts ?? []).map(length)),
    ...(freely === undefined
      ? []
      : probes.map(({ prompt }) => length(inContext(tokenizer, prompt, freely.context)) + SHOWN_TOKENS)),
    ...probes.flatMap(continued).map(({ prompt, text }) => length(`${prompt} ${text}`)),
    ...probes.flatMap(({ needs }) => (needs?.expected ?? []).map((text) => length(`${needs!.prompt} ${text}`)))
  )
  return longest > config.maxPositions
    ? `a text of ${longest} tokens is longer than the model's ${config.maxPositions} positions`
    : undefined
}

/** Why the questions cannot be asked under an edit that adds to their prompts; undefined when they can. */
function tooLongUnder(model: LanguageModel, edit: Edit, questions: readonly Question[]): string | undefined {
  for (const c of questions.flatMap((q) => [...continuations(q), ...q.diverge])) {
    const prompt = promptUnder(model, edit, c.prompt)
    if (prompt === undefined || prompt === c.prompt) continue
    const length = encodePrompt(model.tokenizer, prompt).length + c.target.length
    if (length > model.config.maxPositions)
      return `under the edit a text of ${length} tokens is longer than the model's ${model.config.maxPositions} positions`
  }
  return undefined
}

/** Scores of continuations under one edit each (or none); equal ones are asked once. */
class Scores {
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

const continuations = ({ answers, further, truth = [], gold }: Question): Continuation[] =>
  [...answers, ...Object.values(further).flat(), ...truth, gold].filter((c) => c !== undefined)

/** What measures want scored for a probe, by name. */
const furtherOf = (probe: Probe, measures: readonly Measure[] = []) =>
  measures.filter((m) => isAbout(m, probe)).flatMap((m) => Object.entries(m.continuations?.(probe) ?? {}))

const isAbout = ({ about }: Measure, { kind }: Probe): boolean =>
  about === undefined ? !OWN_MEASURES.includes(kind) : about.includes(kind)

/** Greedy answers, up to and with the token that ends them where one does within so many tokens. */
function answersTo(model: LanguageModel, items: readonly (ToContinue & UnderEdit)[], maxNewTokens: number): number[][] {
  return generateEdited(model, items, { maxNewTokens, endsWith: (id) => isStop(model.tokenizer, id) })
}

/** @param own ids of the probe's prompt, and the base model's greedy answer to it */
function question(
  model: LanguageModel,
  probe: Probe,
  own: { ids: readonly number[]; said: readonly number[] },
  { localityTokens, measures = [] }: ScoreOptions
): Question {
  const { tokenizer } = model
  const { prompt } = probe
  const { ids, said } = own
  const after = (text: string): Continuation => ({ prompt, ids, target: encodeTarget(tokenizer, text) })
  const continued = ({ prompt, text }: Continued) => continuation(model, prompt, text)
  return {
    probe,
    ids,
    answers:
      probe.expected === 'same-as-before'
        ? [{ prompt, ids, target: compared(model, said, localityTokens) }]
        : probe.expected.map(after),
    further: Object.fromEntries(
      furtherOf(probe, measures).map(([name, texts]) => [
        name,
        typeof texts === 'string' ? [after(texts)] : texts.map(continued)
      ])
    ),
    diverge: measures.some((m) => m.diverges && isAbout(m, probe)) ? (probe.diverge ?? []).map(continued) : [],
    ...(probe.truth === undefined ? {} : { truth: probe.truth.map(after) }),
    ...(probe.gold === undefined ? {} : { gold: after(probe.gold) }),
    ...(probe.needs === undefined
      ? {}
      : { needs: probe.needs.expected.map((text) => continuation(model, probe.needs!.prompt, text)) }),
    before: wordsOf(tokenizer, ids, said).trim()
  }
}

function continuation({ tokenizer }: LanguageModel, prompt: string, text: string): Continuation {
  return { prompt, ids: encodePrompt(tokenizer, prompt), target: encodeTarget(tokenizer, text) }
}

/** A question that the model answers after thinking aloud, or writes on from: nothing of it can be decided without generating. */
function generatedQuestion({ tokenizer }: LanguageModel, probe: Probe, before: string): Question {
  return { probe, ids: encodePrompt(tokenizer, probe.prompt), answers: [], further: {}, diverge: [], before }
}

const isAloud = ({ probe }: Question): boolean => probe.answersAfter !== undefined
const isGenerated = ({ probe }: Question): boolean => probe.answersAfter !== undefined || probe.writes !== undefined

/** The answers of models that think aloud first: what they say after the words that announce it, up to the end of the line; nothing where those are missing. */
function thoughtsOf(model: LanguageModel, probes: readonly (Probe & UnderEdit)[]): string[] {
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

/** Whether an answer is one of the accepted ones, as MQuAKE compares them: equal but for the space around them. */
const isAccepted = (answer: string, { expected }: { readonly expected: Probe['expected'] }): boolean =>
  expected !== 'same-as-before' && expected.includes(answer)

/** The edited model's free answers, where those are asked; none of a model whose numbers overflow. */
function freeWordsAfter(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  asked: (i: number) => boolean,
  broken: Map<number, string>
): Map<Question, string> {
  const said = new Map<Question, string>()
  const { freeAnswers: freely } = base
  if (freely === undefined) return said
  const rows = base.questions.flatMap((questions, i) =>
    asked(i) && !broken.has(i)
      ? questions.flatMap((q) =>
          q.free === undefined ? [] : [{ case: i, question: q, prompt: q.probe.prompt, edit: edits[i] }]
        )
      : []
  )
  const ask = (some: readonly (typeof rows)[number][]) => {
    for (const [k, answer] of freeAnswers(model, some, freely).entries()) said.set(some[k]!.question, answer)
  }
  caseByCase(rows, ask, broken)
  return said
}

/** Whether free answers are right; where nothing is to change, whether they are alike. A model whose numbers overflow has none. */
function freeScores({ expected }: Probe, before: string, after: string | undefined): Record<string, number> {
  const own = expected === 'same-as-before'
  const right = (answer: string | undefined) =>
    Number(answer !== undefined && answersFreely(answer, own ? [before] : expected))
  return { [scoreKey(FREE, 'before')]: right(before), [scoreKey(FREE, 'after')]: right(after) }
}

/** What is to be written, under no edit yet. */
const writtenIn = (cases: readonly EditCase[]): ToWrite[] =>
  cases.flatMap(({ id, probes }) => probes.flatMap((probe) => (probe.writes === undefined ? [] : [{ probe, id }])))

/** What the edited model writes; nothing of a model whose numbers overflow. */
function writtenAfter(
  model: LanguageModel,
  base: BaseAnswers,
  edits: readonly (Edit | undefined)[],
  asked: (i: number) => boolean,
  broken: Map<number, string>
): Map<Question, readonly string[]> {
  const texts = new Map<Question, readonly string[]>()
  const rows = base.questions.flatMap((questions, i) =>
    asked(i) && !broken.has(i)
      ? questions.flatMap((question) =>
          question.written === undefined
            ? []
            : [{ case: i, question, probe: question.probe, id: base.cases[i]!.id, edit: edits[i] }]
        )
      : []
  )
  const write = (some: readonly (typeof rows)[number][]) => {
    for (const [k, wrote] of writtenTexts(model, some).entries()) texts.set(some[k]!.question, wrote)
  }
  caseByCase(rows, write, broken)
  return texts
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

/** What measures keep of questions under all but the last of a case's edits, where they want that. */
function scoresBetween(
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
function divergencesOf(
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

/** What locality compares of the base model's own answer: up to and with its end, or as many tokens as are compared at most. */
function compared({ tokenizer }: LanguageModel, ids: readonly number[], most: number): number[] {
  const last = ids.at(-1)
  const ended = last === undefined || (ids.length < most && !isStop(tokenizer, last))
  return (ended ? [...ids, tokenizer.endOfText] : [...ids]).slice(0, most)
}

/** An edited model's answer to one question, decided without generating it. */
interface Verdict {
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

function verdict(model: LanguageModel, question: Question, base: Scores, edited: Scores, finite: boolean): Verdict {
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
function says({ tokenizer }: LanguageModel, c: Continuation, scores: Scores): boolean {
  const { argmax, next } = scores.of(c)
  return matching(argmax, c.target) === 1 && !goesOnInWord(tokenizer, c.ids, c.target, next)
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
function wordsAfter(
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

/** The expected answer as it is shown: locality's without the sign it ends with. */
function expectedText({ tokenizer }: LanguageModel, { question, best }: Verdict): string {
  const text = question.probe.expected === 'same-as-before' ? wordsOf : textOf
  return text(tokenizer, best.ids, best.target).trim()
}

/** What an edited model says to a question. */
interface After {
  readonly words: string
  readonly free: string | undefined
  readonly kl: number | undefined
  readonly written: readonly string[] | undefined
  /** What measures keep of the model between its edits. */
  readonly between: Readonly<Record<string, number>> | undefined
}

function answerRow(
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

/** What the measures keep of one side of a question. */
function scoresOf(
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

/** Share of equal tokens, position by position. */
function matching(a: readonly number[], b: readonly number[]): number {
  return b.length === 0 ? 0 : b.filter((id, i) => id === a[i]).length / b.length
}
