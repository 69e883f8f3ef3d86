import { createHash } from 'node:crypto'

/** Longer names are cut: file systems allow 255 bytes, and temporary names add to them. */
const LONGEST = 100

/**
 * Any text as the name of one file or folder, which cannot lead out of the folder it is put in: letters, digits and a few signs. A text that is no such
 * name is told apart from others by a hash.
 */
export function fileName(text: string): string {
  if (/^[\w-][\w.-]*$/.test(text) && text.length <= LONGEST) return text
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8)
  const clean = text.replace(/[^\w.-]+/g, '_').replace(/^\.+/, '_')
  return `${clean.slice(0, LONGEST - 9)}-${hash}`
}
