import type { EditCase, Probe } from '../../../datasets/types'
import { type Edit, promptUnder } from '../../edit'
import { encodePrompt, encodeTarget, type LanguageModel } from '../../model'
import { inContext } from '../free-answers'
import { continuations, furtherOf, type Question, type ScoreOptions } from './questions'

/*
 * Texts that are longer than a model's positions cannot be asked.
 */

/** Longer answers than this are shown cut, unless the expected one is longer. */
export const SHOWN_TOKENS = 16
/** Longest thoughts before an answer, with it. */
export const THOUGHT_TOKENS = 128

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
export function tooLongUnder(model: LanguageModel, edit: Edit, questions: readonly Question[]): string | undefined {
  for (const c of questions.flatMap((q) => [...continuations(q), ...q.diverge])) {
    const prompt = promptUnder(model, edit, c.prompt)
    if (prompt === undefined || prompt === c.prompt) continue
    const length = encodePrompt(model.tokenizer, prompt).length + c.target.length
    if (length > model.config.maxPositions)
      return `under the edit a text of ${length} tokens is longer than the model's ${model.config.maxPositions} positions`
  }
  return undefined
}
