import { UserError } from '../errors'
import type { EditRequest } from './types'

/**
 * Where a subject stands in its prompt, for records that do not say it: its last occurrence as a word of its own, or, in scripts without
 * word breaks, its last one. Undefined when it does not occur.
 */
export function findSubject(prompt: string, subject: string): number | undefined {
  if (subject === '') return undefined
  let inside: number | undefined
  for (let at = prompt.lastIndexOf(subject); at >= 0; at = at === 0 ? -1 : prompt.lastIndexOf(subject, at - 1)) {
    if (!joined(prompt, at) && !joined(prompt, at + subject.length)) return at
    inside ??= at
  }
  return inside
}

/** Whether the letters on both sides of a place belong to one word. */
function joined(text: string, at: number): boolean {
  const before = /[\p{L}\p{N}\p{M}]$/u.test(text.slice(Math.max(0, at - 2), at))
  return before && /^[\p{L}\p{N}\p{M}]/u.test(text.slice(at))
}

/** Place after the subject's last character in the prompt. @throws UserError when the prompt does not hold it */
export function subjectEnd({ prompt, subject, subjectAt }: EditRequest): number {
  const at = subjectAt ?? findSubject(prompt, subject)
  if (at === undefined || !prompt.startsWith(subject, at))
    throw new UserError(`the subject '${subject}' does not occur in the prompt '${prompt}'`)
  return at + subject.length
}
