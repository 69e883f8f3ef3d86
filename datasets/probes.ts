import type { Probe } from './types'

/** The portability question of Yao et al. (2023) as the files hold it. */
export interface OneHop {
  readonly 'New Question': string
  readonly 'New Answer': string
}

/**
 * One-hop portability. A question whose answer is the edit's own target is no portability by the book's definition
 * (5.3 wants another answer); `strict` drops it.
 */
export function oneHopProbe(portability: OneHop | null | undefined, target: string, strict: boolean): Probe[] {
  if (portability === undefined || portability === null) return []
  const prompt = portability['New Question'].trim()
  const answer = portability['New Answer'].trim()
  if (prompt === '' || answer === '' || (strict && sameText(answer, target))) return []
  return [{ property: 'portability', kind: 'one-hop', prompt, expected: [answer] }]
}

export const sameText = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase()

/** Whether an edit writes what the model is to say already: such a record changes nothing. */
export const changesNothing = (target: string, previous: string): boolean =>
  target.trim().normalize('NFC') === previous.trim().normalize('NFC')

/** Prompts that say something, without trailing spaces: the target brings its own. */
export const present = (prompts: readonly (string | null | undefined)[]): string[] =>
  prompts.flatMap((p) => (p === undefined || p === null || p.trim() === '' ? [] : [p.trimEnd()]))
