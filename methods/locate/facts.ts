import { type EditRequest, subjectEnd } from '../../harness/edit'
import { encodePrompt, encodeTarget, type LanguageModel, lastTokenOf, type Tokenizer } from '../../harness/model'
import { type SubjectState, subjectStates } from './key'

/** One text of a fact, as ids. */
export interface FactRow {
  readonly ids: readonly number[]
  /** Position of the subject's last token. */
  readonly subject: number
  /** The ids that the last positions should predict; empty in the row that measures the drift (KL). */
  readonly labels: readonly number[]
}

/** A fact in all its contexts, and what is asked of it while its value is sought. */
export interface Fact {
  readonly request: EditRequest
  /** The fact after every context: the first one is the bare prompt where the contexts begin with `{}`. */
  readonly contexts: readonly FactRow[]
  /** Measures how far the subject drifts. What follows the subject has no say in what is read at its last token, so it ends there. */
  readonly drift: FactRow
}

/** A fact with what the model computes at the subject in its rows: the contexts, then the one that measures the drift. */
export interface LocatedFact extends Fact {
  readonly states: readonly SubjectState[]
}

/**
 * All but the last target token are given, by their own ids: decoding and encoding them again could change them.
 * @param templates texts with `{}` where the prompt goes
 */
export function factOf(tokenizer: Tokenizer, templates: readonly string[], request: EditRequest): Fact {
  const target = encodeTarget(tokenizer, request.target)
  const place = (text: string, end: number) => tokenizer.prefix.length + lastTokenOf(tokenizer, text, end)
  const end = subjectEnd(request)
  const contexts = templates.map((template) => {
    const text = template.replace('{}', () => request.prompt)
    return {
      ids: [...encodePrompt(tokenizer, text), ...target.slice(0, -1)],
      subject: place(text, template.indexOf('{}') + end),
      labels: target
    }
  })
  const essence = `${request.subject} is a`
  const subject = place(essence, request.subject.length)
  const drift = { ids: encodePrompt(tokenizer, essence).slice(0, subject + 1), subject, labels: [] }
  return { request, contexts, drift }
}

/** The facts with keys and values of all their rows at block `layer`. */
export function locate(model: LanguageModel, facts: readonly Fact[], layer: number): LocatedFact[] {
  const rows = facts.map(({ contexts, drift }) => [...contexts, drift])
  const states = subjectStates(model, rows.flat(), layer)
  let start = 0
  return facts.map((fact, i) => {
    const own = states.slice(start, start + rows[i]!.length)
    start += own.length
    return { ...fact, states: own }
  })
}

/** Tokens of the facts that are computed together. */
const TOKENS_TOGETHER = 2048

/** Cuts facts, in their order, into those that are computed together as far as memory sensibly allows. */
export function together(facts: readonly Fact[]): Fact[][] {
  const sets: Fact[][] = []
  let tokens = 0
  for (const fact of facts) {
    const size = [...fact.contexts, fact.drift].reduce((sum, { ids }) => sum + ids.length, 0)
    tokens += size
    if (sets.length > 0 && tokens <= TOKENS_TOGETHER) sets.at(-1)!.push(fact)
    else {
      sets.push([fact])
      tokens = size
    }
  }
  return sets
}
