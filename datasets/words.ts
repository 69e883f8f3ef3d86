/**
 * The longest run of whole words of a question that all its rephrasings have: where a layout does not name its subject, that is what they share. It has a
 * capital or a digit somewhere, as names do. An addition of ours; the methods that such files were made for need no subject.
 */
export function sharedWords(question: string, rephrases: readonly string[]): string | undefined {
  const words = question
    .replace(/[?.!]+\s*$/, '')
    .replace(/['’]s\b/g, ' $&')
    .split(/\s+/)
  const others = rephrases.map((r) => ` ${bare(r)} `)
  for (let length = words.length; length > 0; length--)
    for (let start = words.length - length; start >= 0; start--) {
      const run = words.slice(start, start + length).join(' ')
      if (!/[\p{Lu}\p{N}]/u.test(run) || !question.includes(run)) continue
      if (others.every((other) => other.includes(` ${bare(run)} `))) return run
    }
  return undefined
}

/** In lower case, without punctuation, possessives as words of their own. */
const bare = (text: string): string =>
  text
    .replace(/[?.!,]+/g, ' ')
    .replace(/['’]s\b/g, ' $&')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase()
