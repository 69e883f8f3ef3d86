import { type Continued, OWN_MEASURES, type Probe } from '../../../datasets/types'
import { encodePrompt, encodeTarget, type LanguageModel, type ToScore } from '../../model'
import { isStop, wordsOf } from '../answers'
import type { FreeAnswerOptions } from '../free-answers'
import type { Measure } from '../measures'
import type { Remember } from '../remember'

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
export interface Continuation extends ToScore {
  /** The prompt's ids, which its text goes on from. */
  readonly ids: readonly number[]
}

/** What is asked about one probe. */
export interface Question {
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

export const continuations = ({ answers, further, truth = [], gold }: Question): Continuation[] =>
  [...answers, ...Object.values(further).flat(), ...truth, gold].filter((c) => c !== undefined)

/** What measures want scored for a probe, by name. */
export const furtherOf = (probe: Probe, measures: readonly Measure[] = []) =>
  measures.filter((m) => isAbout(m, probe)).flatMap((m) => Object.entries(m.continuations?.(probe) ?? {}))

export const isAbout = ({ about }: Measure, { kind }: Probe): boolean =>
  about === undefined ? !OWN_MEASURES.includes(kind) : about.includes(kind)

/** @param own ids of the probe's prompt, and the base model's greedy answer to it */
export function question(
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

export function continuation({ tokenizer }: LanguageModel, prompt: string, text: string): Continuation {
  return { prompt, ids: encodePrompt(tokenizer, prompt), target: encodeTarget(tokenizer, text) }
}

/** A question that the model answers after thinking aloud, or writes on from: nothing of it can be decided without generating. */
export function generatedQuestion({ tokenizer }: LanguageModel, probe: Probe, before: string): Question {
  return { probe, ids: encodePrompt(tokenizer, probe.prompt), answers: [], further: {}, diverge: [], before }
}

export const isAloud = ({ probe }: Question): boolean => probe.answersAfter !== undefined
export const isGenerated = ({ probe }: Question): boolean =>
  probe.answersAfter !== undefined || probe.writes !== undefined

/** What locality compares of the base model's own answer: up to and with its end, or as many tokens as are compared at most. */
function compared({ tokenizer }: LanguageModel, ids: readonly number[], most: number): number[] {
  const last = ids.at(-1)
  const ended = last === undefined || (ids.length < most && !isStop(tokenizer, last))
  return (ended ? [...ids, tokenizer.endOfText] : [...ids]).slice(0, most)
}
