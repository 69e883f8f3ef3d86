import type { Random } from '../../harness/random'

const ONSETS = [
  'b',
  'd',
  'f',
  'g',
  'h',
  'k',
  'l',
  'm',
  'n',
  'p',
  'r',
  's',
  't',
  'v',
  'z',
  'br',
  'dr',
  'gr',
  'kr',
  'st',
  'tr'
]
const VOWELS = ['a', 'e', 'i', 'o', 'u']
const CODAS = ['l', 'm', 'n', 'r', 's', 'k', 't', 'nd', 'rk', 'lm']

/** Draws invented words that nobody drew before: names are unique across the whole world. */
export class NameMaker {
  readonly #random: Random
  readonly #used = new Set<string>()

  constructor(random: Random, reserved: Iterable<string>) {
    this.#random = random
    for (const word of reserved) this.#used.add(word.toLowerCase())
  }

  /** A capitalised word of `syllables` open syllables followed by one of `endings` (a closed syllable where none is given). */
  word(syllables: number, endings: readonly string[] = []): string {
    for (;;) {
      let stem = ''
      for (let i = 0; i < syllables; i++) stem += this.#random.pick(ONSETS) + this.#random.pick(VOWELS)
      stem += endings.length > 0 ? this.#random.pick(endings) : this.#random.pick(CODAS)
      if (this.#used.has(stem)) continue
      this.#used.add(stem)
      return stem.charAt(0).toUpperCase() + stem.slice(1)
    }
  }
}
