import { UserError } from '../../errors'
import type { Tokenizer } from '../types'

/**
 * Index of the token in which the character before `end` lies, among the tokens of `text` (prefix tokens not counted).
 * @param end place in `text` after the last character, such as a subject's
 */
export function lastTokenOf(tokenizer: Tokenizer, text: string, end: number): number {
  const ids = tokenizer.encode(text)
  // Usually the tokens up to there are those of the text cut there.
  const before = tokenizer.encode(text.slice(0, end))
  if (before.length === 0) throw new UserError(`no token of '${text}' lies before character ${end}`)
  if (before.every((id, i) => id === ids[i])) return before.length - 1
  // A token runs across the place. Lengths are compared after the tokenizer's own normalisation, which may shorten a text.
  const length = tokenizer.decode(before).length
  for (let i = 0; i < ids.length; i++) {
    // Tokens that end inside a character decode to a replacement sign, so they cannot reach the place.
    const piece = tokenizer.decode(ids.slice(0, i + 1))
    if (!piece.endsWith('\ufffd') && piece.length >= length) return i
  }
  return ids.length - 1
}
