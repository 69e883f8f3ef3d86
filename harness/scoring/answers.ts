import { decodeContinuation, type Tokenizer } from '../model'

/*
 * What a model says of itself, by greedy decoding: its words up to a natural stop, which is the end of the text, a line's end, or a token
 * that ends a sentence.
 */

const STOP = /[.!?\n]/

const stopsOf = new WeakMap<Tokenizer, Map<number, boolean>>()

/** Whether an answer ends with this token. */
export function isStop(tokenizer: Tokenizer, id: number): boolean {
  if (id === tokenizer.endOfText) return true
  const known = stopsOf.get(tokenizer) ?? new Map<number, boolean>()
  stopsOf.set(tokenizer, known)
  const stop = known.get(id) ?? STOP.test(tokenizer.decode([id]))
  known.set(id, stop)
  return stop
}

/** A token that ends an answer and adds no words to it. */
const endsBarely = (tokenizer: Tokenizer, id: number): boolean =>
  id === tokenizer.endOfText || (isStop(tokenizer, id) && /^\s*[.!?\n]/.test(tokenizer.decode([id])))

/** Whether the tokens said are an answer, up to its end, whatever ends either: a full stop, or the end of the text. */
export function isSameAnswer(tokenizer: Tokenizer, answer: readonly number[], said: readonly number[]): boolean {
  const last = answer.length - 1
  const ends = (id: number | undefined) => id !== undefined && endsBarely(tokenizer, id)
  return answer.every((id, i) => id === said[i] || (i === last && ends(id) && ends(said[i])))
}

/** The words that `ids` add to a prompt, without what ends them and with the space they begin with. */
export function wordsOf(tokenizer: Tokenizer, prompt: readonly number[], ids: readonly number[]): string {
  return textOf(tokenizer, prompt, ids).split(STOP)[0]!.trimEnd()
}

/** The text that `ids` add to a prompt. */
export function textOf(tokenizer: Tokenizer, prompt: readonly number[], ids: readonly number[]): string {
  const said = ids.filter((id) => id !== tokenizer.endOfText)
  return decodeContinuation(tokenizer, prompt, said)
}

/** Scripts that leave no space between words: there a further letter need not belong to the same word. */
const LETTER = /[\p{L}\p{N}\p{M}]/u
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const inWord = (character: string): boolean => LETTER.test(character) && !UNSPACED.test(character)

/**
 * Whether a model that has said `target` goes on inside the same word with the token `next`: "nur" of "nursery". Such an answer is another
 * one than `target`.
 */
export function goesOnInWord(
  tokenizer: Tokenizer,
  prompt: readonly number[],
  target: readonly number[],
  next: number
): boolean {
  if (next === tokenizer.endOfText) return false
  const last = [...decodeContinuation(tokenizer, prompt, target)].at(-1) ?? ' '
  const first = [...decodeContinuation(tokenizer, target, [next])][0] ?? ' '
  return inWord(last) && inWord(first)
}
