import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../../errors'
import { decodeContinuation, encodePrompt, encodeTarget, lastTokenOf, loadTokenizer } from '.'
import golden from './golden/components.json'

/** Ids and texts are those of `tokenizers` (golden/components.py). */

type Variant = { json: Record<string, unknown>; flags: object; ids: number[][]; decoded: string[] }
const variants = golden.variants as unknown as Record<string, Variant>
const models = golden.models as Record<string, Record<string, unknown>>

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-tokenizer-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const write = (name: string, content: unknown) => writeFileSync(join(dir, name), JSON.stringify(content))

/** tokenizer.json of a variant, with changes. */
const whole = (name: string, change: object = {}, model: object = {}): Record<string, unknown> & { model: object } => {
  const { json, flags } = variants[name]!
  return { ...json, model: { ...models[json.model as string], ...flags, ...model }, ...change }
}
function open(json: object, config: object = { eos_token: '</s>' }, rows?: number) {
  write('tokenizer.json', json)
  write('tokenizer_config.json', config)
  return loadTokenizer(dir, rows)
}
function complaint(json: object, config?: object, rows?: number): string {
  try {
    open(json, config, rows)
  } catch (error) {
    if (error instanceof UserError) return error.format()
    throw error
  }
  throw new Error('nothing was wrong')
}

describe.each(Object.entries(variants))('%s', (name, { ids, decoded }) => {
  it('gives the ids and texts of tokenizers', () => {
    const tokenizer = open(whole(name))
    for (const [i, text] of golden.strings.entries()) {
      expect([text, tokenizer.encode(text)]).toEqual([text, ids[i]])
      expect([text, tokenizer.decode(ids[i]!)]).toEqual([text, decoded[i]])
    }
  })
})

describe('what is computed in another way is refused by name', () => {
  const part = (type: string, rest: object = {}) => ({ type, ...rest })
  test.each<[string, object, object, RegExp]>([
    ['a Unigram model', {}, { type: 'Unigram' }, /the model Unigram/],
    ['a WordPiece model', {}, { type: 'WordPiece' }, /the model WordPiece/],
    ['dropout', {}, { dropout: 0.1 }, /the model BPE.*dropout/],
    ['a word suffix', {}, { end_of_word_suffix: '</w>' }, /end_of_word_suffix/],
    ['a Whitespace pre-tokenizer', { pre_tokenizer: part('Whitespace') }, {}, /the pre-tokenizer "Whitespace"/],
    ['FixedLength', { pre_tokenizer: part('FixedLength', { length: 3 }) }, {}, /"FixedLength"/],
    [
      'a part deep in a sequence',
      { pre_tokenizer: part('Sequence', { pretokenizers: [part('Punctuation', { behavior: 'Isolated' })] }) },
      {},
      /"Punctuation"/
    ],
    [
      'a Precompiled normalizer',
      { normalizer: part('Precompiled', { precompiled_charsmap: 'AAAA' }) },
      {},
      /"Precompiled"/
    ],
    ['Lowercase', { normalizer: part('Lowercase') }, {}, /"Lowercase"/],
    [
      'a replacement with a dollar sign',
      { normalizer: part('Replace', { pattern: { String: 'a' }, content: '$&' }) },
      {},
      /Replace.*content a replacement with '\$'/
    ],
    [
      'a WordPiece decoder',
      { decoder: part('WordPiece', { prefix: '##', cleanup: true }) },
      {},
      /the decoder "WordPiece"/
    ],
    ['a BERT post-processor', { post_processor: part('BertProcessing') }, {}, /the post-processor "BertProcessing"/],
    [
      'a token that must be a word of its own',
      { added_tokens: [{ id: 0, content: '<s>', single_word: true }] },
      {},
      /the added token "<s>".*single_word/
    ]
  ])('%s', (_, change, model, message) => {
    const text = complaint(whole('byte level', change, model))
    expect(text).toMatch(message)
    expect(text).toContain('tokenizer.json')
  })

  it('a token beyond the model’s rows, but for a marker no text uses', () => {
    const json = whole('byte level')
    const added = json.added_tokens as { id: number; content: string; special: boolean }[]
    const rows = Math.max(...added.map((t) => t.id))
    expect(complaint(json, undefined, rows)).toMatch(/the token "<L>" has the id \d+, the model has \d+ rows/)
    const marker = { ...json, added_tokens: [...added, { id: 999, content: '<image>', special: true }] }
    const tokenizer = open(marker, undefined, 900)
    expect(tokenizer.encode('a picture')).not.toContain(999)
    expect(() => tokenizer.encode('a picture <image>')).toThrow(/no row for the token "<image>"/)
  })
})

describe('the end of the text is named by', () => {
  const json = whole('byte level')
  const idOf = (content: string) =>
    (json.added_tokens as { id: number; content: string }[]).find((t) => t.content === content)!.id

  it('tokenizer_config.json, as text or object', () => {
    expect(open(json, { eos_token: '<X>' }).endOfText).toBe(idOf('<X>'))
    expect(open(json, { eos_token: { content: '<L>' } }).endOfText).toBe(idOf('<L>'))
  })
  it('special_tokens_map.json', () => {
    write('special_tokens_map.json', { eos_token: '<X>' })
    expect(open(json, {}).endOfText).toBe(idOf('<X>'))
  })
  it('generation_config.json', () => {
    write('generation_config.json', { eos_token_id: [7, 8] })
    expect(open(json, {}).endOfText).toBe(7)
  })
  it('nobody: said so, with the files where it may stand', () => {
    const without = { ...json, added_tokens: [], model: { ...json.model, vocab: { a: 0 }, merges: [] } }
    expect(complaint(without, {})).toMatch(/no file names the end-of-text token[\s\S]*special_tokens_map\.json/)
    expect(complaint(json, { eos_token: '<nowhere>' })).toMatch(/"<nowhere>" is not in tokenizer\.json/)
  })
})

describe('places', () => {
  it('of a text are found across tokens that run over them and texts the tokenizer shortens', () => {
    const tokenizer = open(whole("NFC, Qwen's pattern"))
    for (const [text, part] of [
      ['The capital of France is', 'The capital'],
      ['The zebra, and', 'The zebra'],
      ['Cafe\u0301 Noe\u0308l!, starring', 'Cafe\u0301 Noe\u0308l!']
    ] as const) {
      const ids = tokenizer.encode(text)
      const at = lastTokenOf(tokenizer, text, part.length)
      const [reached, before] = [tokenizer.decode(ids.slice(0, at + 1)), tokenizer.decode(ids.slice(0, at))]
      const wanted = part.normalize('NFC')
      expect([part, reached.startsWith(wanted), before.startsWith(wanted)]).toEqual([part, true, false])
    }
  })

  it('count a token of several characters once it reaches the end, after normalisation', () => {
    // "!," is one token; written and normalised text differ in length.
    const { model, ...rest } = whole("NFC, Qwen's pattern") as unknown as {
      model: { vocab: Record<string, number>; merges: unknown[] }
    }
    const vocab = { ...model.vocab, '!,': Object.keys(model.vocab).length + 9 }
    const tokenizer = open({ ...rest, model: { ...model, vocab, merges: [...model.merges, ['!', ',']] } })
    const ids = tokenizer.encode('e\u0301e\u0301!, x')
    const at = lastTokenOf(tokenizer, 'e\u0301e\u0301!, x', 'e\u0301e\u0301!'.length)
    expect(tokenizer.decode([ids[at]!])).toBe('!,')
  })
})

describe('a continuation', () => {
  it.each(['Llama 2', 'metaspace always', 'byte level'])('keeps its first space: %s', (name) => {
    const tokenizer = open(whole(name))
    const prompt = encodePrompt(tokenizer, 'The capital')
    expect(decodeContinuation(tokenizer, prompt, encodeTarget(tokenizer, 'of France'))).toBe(' of France')
    const ids = tokenizer.encode('The capital of')
    expect(decodeContinuation(tokenizer, ids.slice(0, -1), ids.slice(-1))).not.toBe('')
    expect(decodeContinuation(tokenizer, prompt, [])).toBe('')
  })
})
