import type { Probe } from './types'

/** The portability question of Yao et al. (2023) as the files hold it. */
export interface OneHop {
  readonly 'New Question': string
  readonly 'New Answer': string
  /** What was right before the edit: an addition of ours. */
  readonly 'Old Answer'?: string | null | undefined
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
  const old = present([portability['Old Answer']])
  const needs = old.length === 0 ? {} : { needs: { prompt, expected: old } }
  return [{ property: 'portability', kind: 'one-hop', prompt, expected: [answer], ...needs }]
}

/** The same question about others whose names share a part with the subject's: an addition of ours to the official layouts. */
export interface SamePart {
  readonly same_first_part_prompts?: readonly (string | null)[] | null | undefined
  readonly same_last_part_prompts?: readonly (string | null)[] | null | undefined
}

export function samePartProbes({ same_first_part_prompts: first, same_last_part_prompts: last }: SamePart): Probe[] {
  const of = (kind: string, prompts: SamePart['same_first_part_prompts']) =>
    present(prompts ?? []).map((prompt): Probe => ({ property: 'locality', kind, prompt, expected: 'same-as-before' }))
  return [...of('same-first-part', first), ...of('same-last-part', last)]
}

export const sameText = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase()

/** Whether an edit writes what the model is to say already: such a record changes nothing. */
export const changesNothing = (target: string, previous: string): boolean =>
  target.trim().normalize('NFC') === previous.trim().normalize('NFC')

/** Prompts that say something, without trailing spaces: the target brings its own. */
export function present(prompts: readonly (string | null | undefined)[]): string[] {
  const said: string[] = []
  // Called for every question of every record.
  for (const prompt of prompts) {
    const text = prompt?.trimEnd() ?? ''
    if (text !== '') said.push(text)
  }
  return said
}
