import { encodePrompt, encodeTarget, type LanguageModel } from '../harness/model'

/** A prompt with its answer as ids: all but the answer's last token are given, each label is predicted from `first` on. */
export interface AnswerRow {
  readonly ids: readonly number[]
  /** The prompt's last token. */
  readonly first: number
  readonly labels: readonly number[]
}

export function answerRow(
  { tokenizer }: LanguageModel,
  { prompt, target }: { readonly prompt: string; readonly target: string }
): AnswerRow {
  const asked = encodePrompt(tokenizer, prompt)
  const labels = encodeTarget(tokenizer, target)
  return { ids: [...asked, ...labels.slice(0, -1)], first: asked.length - 1, labels }
}
