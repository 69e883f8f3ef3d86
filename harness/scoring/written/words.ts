/*
 * Words as NLTK's `word_tokenize` cuts them (nltk 3.10, NLTKWordTokenizer, after the Penn Treebank's script): n-gram entropies depend on it. Sentences are
 * those of Unicode instead of Punkt's trained ones, which matters only for full stops after abbreviations.
 */

/** Borders of words as Python has them, in all scripts. */
const BEFORE = '(?<![\\p{L}\\p{N}_])'
const AFTER = '(?![\\p{L}\\p{N}_])'

type Rule = readonly [RegExp, string]

const STARTING_QUOTES: readonly Rule[] = [
  [/([«“‘„]|`+)/gu, ' $1 '],
  [/^"/gu, '``'],
  [/(``)/gu, ' $1 '],
  [/([ ([{<])("|'{2})/gu, '$1 `` '],
  [new RegExp(`${BEFORE}'(?!(?:re|ve|ll|m|t|s|d|n)${AFTER})(?=[\\p{L}\\p{N}_])`, 'giu'), "' "]
]

const PUNCTUATION: readonly Rule[] = [
  [/([^.])(\.)([\])}>"'»”’ ]*)\s*$/gu, '$1 $2 $3 '],
  [/([:,])([^\p{Nd}])/gu, ' $1 $2'],
  [/([:,])$/gu, ' $1 '],
  [/\.{2,}/gu, ' $& '],
  [/[;@#$%&]/gu, ' $& '],
  [/[\u2012-\u2015]/gu, ' $& '],
  [/([^.])(\.)([\])}>"']*)\s*$/gu, '$1 $2$3 '],
  [/[?!]/gu, ' $& '],
  [/([^'])' /gu, "$1 ' "],
  [/[*]/gu, ' $& ']
]

const BRACKETS_AND_DASHES: readonly Rule[] = [
  [/[\][(){}<>]/gu, ' $& '],
  [/--/gu, ' -- ']
]

const ENDING_QUOTES: readonly Rule[] = [
  [/([»”’])/gu, ' $1 '],
  [/''/gu, " '' "],
  [/"/gu, " '' "],
  [/\s+/gu, ' '],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /gu, '$1 $2 '],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, '$1 $2 ']
]

const CONTRACTIONS: readonly Rule[] = [
  ...['can|not', "d|'ye", 'gim|me', 'gon|na', 'got|ta', 'lem|me', "more|'n"].map((parts): Rule => {
    const [first, second] = parts.split('|')
    return [new RegExp(`${BEFORE}(${first})(${second})${AFTER}`, 'giu'), ' $1 $2 ']
  }),
  [new RegExp(`${BEFORE}(wan)(na)(?=\\s)`, 'giu'), ' $1 $2 '],
  [new RegExp(` ('t)(is)${AFTER}`, 'giu'), ' $1 $2 '],
  [new RegExp(` ('t)(was)${AFTER}`, 'giu'), ' $1 $2 ']
]

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' })

const replaced = (text: string, rules: readonly Rule[]): string =>
  rules.reduce((t, [pattern, by]) => t.replace(pattern, by), text)

/** The words and punctuation marks of a text. */
export function wordsAndMarks(text: string): string[] {
  return [...sentences.segment(text)].flatMap(({ segment }) => {
    const apart = replaced(segment.trimEnd(), [...STARTING_QUOTES, ...PUNCTUATION, ...BRACKETS_AND_DASHES])
    return replaced(` ${apart} `, [...ENDING_QUOTES, ...CONTRACTIONS])
      .split(/\s+/u)
      .filter((word) => word !== '')
  })
}
