import type { AnswerContext } from '../contexts'
import { generateEdited, type UnderEdit } from '../edit'
import { encodePrompt, type LanguageModel, type Tokenizer } from '../model'
import { textOf } from './answers'

/*
 * Free answers: the model is asked as a user would ask it, says what it wants up to a natural stop, and its words are compared, not its tokens
 * (Yang et al. 2025, "The Mirage of Model Editing", arXiv 2502.11177: the WILD protocol; zjunlp/EasyEdit, evaluate_utils.py).
 */

export interface FreeAnswerOptions {
  readonly context: AnswerContext
  /** Longest answer, in tokens. */
  readonly maxTokens: number
}

/** A question as it is put to the model. @throws UserError when the model has no chat template and one is wanted */
export function inContext(tokenizer: Tokenizer, question: string, context: AnswerContext): string {
  if (context === 'question') return question
  if (context === 'qa') return `Please answer the question:\n\nQ: ${question}\nA:`
  return tokenizer.chat([
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: question }
  ])
}

const STOP = /[.\n]/

/** What a model says to every question, up to the end of its first sentence or line, without what ends it. */
export function freeAnswers(
  model: LanguageModel,
  items: readonly ({ readonly prompt: string } & UnderEdit)[],
  { context, maxTokens }: FreeAnswerOptions
): string[] {
  const { tokenizer } = model
  const prompts = new Map(items.map(({ prompt }) => [prompt, inContext(tokenizer, prompt, context)]))
  const asked = items.map((item) => ({ ...item, prompt: prompts.get(item.prompt)! }))
  const endsWith = (id: number) => STOP.test(tokenizer.decode([id]))
  return generateEdited(model, asked, { maxNewTokens: maxTokens, endsWith }).map((ids, i) =>
    textOf(tokenizer, encodePrompt(tokenizer, asked[i]!.prompt), ids).split(STOP)[0]!.trim()
  )
}

const PUNCTUATION = /[!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]/g

/** An answer as it is compared: lower case, without punctuation and articles, single spaces, in that order (zjunlp/EasyEdit, normalize_answer). */
export const normaliseAnswer = (text: string): string =>
  text
    .toLowerCase()
    .replace(PUNCTUATION, '')
    .replace(/(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu, ' ')
    .split(/\s+/)
    .filter((word) => word !== '')
    .join(' ')

/** Whether an answer is one of the accepted ones but for case, punctuation, articles and spaces. */
export const answersFreely = (answer: string, accepted: readonly string[]): boolean =>
  accepted.some((a) => normaliseAnswer(a) === normaliseAnswer(answer))
