import { closest, distance } from 'fastest-levenshtein'

/** `, did you mean 'rome'?` when one of the names is near, otherwise nothing. */
export function closestTo(name: string, names: readonly string[]): string {
  // Nobody mistypes a name of a hundred characters, and comparing one of millions takes minutes.
  if (names.length === 0 || name.length > 100) return ''
  const best = closest(name, names)
  return distance(name, best) <= Math.max(2, Math.ceil(name.length / 3)) ? `, did you mean '${best}'?` : ''
}
