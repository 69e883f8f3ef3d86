/** How numbers and tables look on a terminal. */

export function table(cells: readonly (readonly string[])[], { right = [] as readonly number[] } = {}): string {
  const rows = cells.map((row) => row.map((cell) => harmless(cell).replace(/\s+/g, ' ')))
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

export const percent = (share: number): string => (100 * share).toFixed(1)

/** A share in percent, or any other number in three digits. */
export const inUnit = (unit: 'share' | 'number', value: number): string =>
  unit === 'share' ? percent(value) : String(Number(value.toPrecision(3)))

export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

export function bytes(count: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB']
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** power
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${units[power]}`
}

export const print = (text: string): void => {
  process.stdout.write(`${harmless(text)}\n`)
}

/** For people, where stdout is for a program. */
export const printNote = (text: string): void => {
  process.stderr.write(`${harmless(text)}\n`)
}

/** For programs: what a terminal would act on is written as JSON escapes. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, 2).replace(ACTS, (c) => (SHOWN.includes(c) ? c : utf16(c)))}\n`)
}

/** Control and format characters: a terminal acts on them instead of showing them, or they turn a text's direction. */
const ACTS = /[\p{Cc}\p{Cf}\u2028\u2029]/gu
/** Those among them that are part of texts: line breaks, tabs, joiners. */
const SHOWN = '\n\t\u200c\u200d'

const utf16 = (character: string): string =>
  [...Array(character.length).keys()].map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')

/** A text with what a terminal would act on written out, `\u001b` for an escape. */
export const harmless = (text: string): string => text.replace(ACTS, (c) => (SHOWN.includes(c) ? c : utf16(c)))
