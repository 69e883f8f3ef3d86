/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), trained from scratch.
 * Reading the tokenizer is the library's job (`loadTokenizer`); this only learns the merges and writes the files.
 */

/** How GPT-2 cuts a text into pieces that merges never cross. */
const PIECES = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu

export const END_OF_TEXT = '<|endoftext|>'

/** Files of a tokenizer in Hugging Face layout, by name. End of text has the id 0. */
export type TokenizerFiles = Readonly<Record<'tokenizer.json' | 'tokenizer_config.json', string>>

/**
 * Learns a vocabulary of `vocabSize` tokens: end of text, the 256 bytes, then the most frequent pairs one after another.
 * Equal counts are settled by the smaller token ids, so the result depends on the texts alone.
 */
export function trainTokenizer(texts: Iterable<string>, vocabSize: number): TokenizerFiles {
  const alphabet = byteAlphabet()
  const vocabulary = [END_OF_TEXT, ...[...alphabet].sort()]
  const ids = new Map(vocabulary.map((token, id) => [token, id]))
  const words = countPieces(texts, alphabet, ids)
  const merges: [string, string][] = []
  while (vocabulary.length < vocabSize) {
    const pair = mostFrequentPair(words, vocabSize)
    if (pair === undefined) break
    const [left, right] = pair
    const merged = vocabulary.length
    merges.push([vocabulary[left]!, vocabulary[right]!])
    vocabulary.push(vocabulary[left]! + vocabulary[right]!)
    for (const word of words) word.ids = mergePair(word.ids, left, right, merged)
  }
  return tokenizerFiles(vocabulary, merges)
}

interface Word {
  ids: number[]
  readonly count: number
}

function countPieces(texts: Iterable<string>, alphabet: readonly string[], ids: ReadonlyMap<string, number>): Word[] {
  const counts = new Map<string, number>()
  for (const text of texts) {
    for (const [piece] of text.matchAll(PIECES)) counts.set(piece, (counts.get(piece) ?? 0) + 1)
  }
  return [...counts].map(([piece, count]) => ({
    count,
    ids: [...Buffer.from(piece, 'utf8')].map((byte) => ids.get(alphabet[byte]!)!)
  }))
}

function mostFrequentPair(words: readonly Word[], vocabSize: number): readonly [number, number] | undefined {
  const counts = new Map<number, number>()
  for (const { ids, count } of words) {
    for (let i = 1; i < ids.length; i++) {
      const key = ids[i - 1]! * vocabSize + ids[i]!
      counts.set(key, (counts.get(key) ?? 0) + count)
    }
  }
  let best = -1
  let most = 1
  for (const [key, count] of counts) {
    if (count > most || (count === most && best >= 0 && key < best)) {
      best = key
      most = count
    }
  }
  return best < 0 ? undefined : [Math.floor(best / vocabSize), best % vocabSize]
}

function mergePair(ids: number[], left: number, right: number, merged: number): number[] {
  if (ids.length < 2) return ids
  const out: number[] = []
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === left && ids[i + 1] === right) {
      out.push(merged)
      i++
    } else out.push(ids[i]!)
  }
  return out
}

/** GPT-2's printable stand-in for every byte. */
function byteAlphabet(): string[] {
  const printable = (b: number) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255)
  let next = 256
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(printable(b) ? b : next++))
}

function tokenizerFiles(vocabulary: readonly string[], merges: readonly (readonly [string, string])[]): TokenizerFiles {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: END_OF_TEXT,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true
      }
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges
    }
  }
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: END_OF_TEXT,
    eos_token: END_OF_TEXT,
    unk_token: END_OF_TEXT,
    clean_up_tokenization_spaces: false
  }
  return {
    'tokenizer.json': `${JSON.stringify(json, null, 1)}\n`,
    'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`
  }
}
