import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../../errors'
import { type JsonObject, readJsonObject } from '../../json-file'
import { withinTime } from '../../time-limit'
import type { Tokenizer } from '../types'
import { applyChatTemplate } from './chat'
import { openTokenizer } from './components'

export { lastTokenOf } from './place'

const MOST_ENCODING_MS = 10_000

/**
 * Loads the tokenizer of a checkpoint folder. `hash` covers every file that was read.
 * @param rows rows of the model's embedding: no token may lie beyond them
 * @throws UserError for a tokenizer whose ids would differ from those of `tokenizers`, or that the model has no rows for
 */
export function loadTokenizer(dir: string, rows = Number.POSITIVE_INFINITY): Tokenizer & { readonly hash: string } {
  const file = join(dir, 'tokenizer.json')
  if (!existsSync(file)) {
    throw new UserError('tokenizer.json is missing', {
      place: dir,
      hint: 'save the tokenizer with transformers: AutoTokenizer.from_pretrained(NAME, use_fast=True).save_pretrained(DIR)'
    })
  }
  const json = readJsonObject(file)
  const { hub, vocabulary, added } = openTokenizer(file, json)
  const [config, map] = [readOptional(dir, 'tokenizer_config.json'), readOptional(dir, 'special_tokens_map.json')]
  const endOfText = endToken(dir, config, map, (token) => hub.token_to_id(token))
  const beyond = new Map(added.filter((t) => t.special && t.id >= rows).map((t) => [t.id, t.content]))
  for (const [content, id] of [...vocabulary, ...added.map((t) => [t.content, t.id] as const)]) {
    // Markers for pictures and the like may lie beyond: a text that uses one is refused instead.
    if (id < rows || beyond.has(id)) continue
    throw new UserError(`the token ${JSON.stringify(content)} has the id ${id}, the model has ${rows} rows`, {
      place: file,
      hint: 'tokenizer and weights do not belong together, or tokens were added without resizing the embeddings'
    })
  }
  // A pattern of the file's own may go back and forth for ever; the rest takes time in proportion to the text.
  const inTime = JSON.stringify([json.normalizer, json.pre_tokenizer]).includes('"Regex"')
    ? <T>(work: () => T) => withinTime(MOST_ENCODING_MS, `${file}: a text`, work)
    : <T>(work: () => T) => work()
  const bos = hub.token_to_id(nameOf(config.bos_token) ?? '')
  // What the tokenizer itself puts around an empty text, up to the end: Llama's <s>.
  const prefix = inTime(() => hub.encode('')).ids.filter((id) => id !== endOfText || id === bos)
  if (!prefix.every((id) => Number.isSafeInteger(id) && id < rows))
    throw new UserError('the post-processor puts a token before a text that the vocabulary does not have', {
      place: file
    })
  return {
    vocabSize: hub.get_vocab().size,
    encode(text) {
      if (text === '') return []
      const { ids } = inTime(() => hub.encode(text, { add_special_tokens: false }))
      const missing = beyond.size === 0 ? undefined : ids.find((id) => beyond.has(id))
      if (missing === undefined) return ids
      throw new UserError(`the model has no row for the token ${JSON.stringify(beyond.get(missing))} of '${text}'`)
    },
    decode: (ids) =>
      ids.length === 0 ? '' : hub.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    prefix,
    endOfText,
    chat: (messages) => applyChatTemplate(dir, config, messages),
    hash: createHash('sha256')
      .update(JSON.stringify(json))
      .update(JSON.stringify([config, endOfText]))
      .digest('hex')
  }
}

/** The token that ends a text, from the files that may name it. */
function endToken(
  dir: string,
  config: JsonObject,
  map: JsonObject,
  idOf: (token: string) => number | undefined
): number {
  const named = nameOf(config.eos_token) ?? nameOf(map.eos_token)
  if (named !== undefined) {
    const id = idOf(named)
    if (id !== undefined) return id
    throw new UserError(`the end-of-text token ${JSON.stringify(named)} is not in tokenizer.json`, { place: dir })
  }
  for (const file of ['generation_config.json', 'config.json']) {
    const id = readOptional(dir, file).eos_token_id
    const first = Array.isArray(id) ? id[0] : id
    if (typeof first === 'number') return first
  }
  const usual = idOf('<|endoftext|>') ?? idOf('</s>')
  if (usual !== undefined) return usual
  throw new UserError('no file names the end-of-text token', {
    place: dir,
    hint: 'put "eos_token" into tokenizer_config.json or special_tokens_map.json, or "eos_token_id" into generation_config.json'
  })
}

/** Special tokens are named by their text, alone or in an object. */
function nameOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token
  const content = (token as { content?: unknown } | null | undefined)?.content
  return typeof content === 'string' ? content : undefined
}

const readOptional = (dir: string, name: string): JsonObject => {
  const file = join(dir, name)
  return existsSync(file) ? readJsonObject(file) : {}
}

/** Token ids of a prompt, with what the model expects before it (Llama's `<s>`). */
export function encodePrompt(tokenizer: Tokenizer, prompt: string): number[] {
  return [...tokenizer.prefix, ...tokenizer.encode(prompt)]
}

/**
 * Token ids of an answer that follows a prompt after exactly one space, whatever spaces it came with.
 * Tokenizers that put a space before every text (SentencePiece) get the bare answer.
 */
export function encodeTarget(tokenizer: Tokenizer, target: string): number[] {
  const bare = target.trimStart()
  const spaced = tokenizer.encode(` ${bare}`)
  const alone = tokenizer.encode(bare)
  const addsSpace = alone.length > 0 && tokenizer.decode([...tokenizer.encode('a'), ...alone]).startsWith('a ')
  return addsSpace ? alone : spaced
}

/**
 * The text that `ids` add to `before`, first space included: tokenizers of the SentencePiece kind drop it from a text that stands alone.
 * @param before ids the continuation follows
 */
export function decodeContinuation(tokenizer: Tokenizer, before: readonly number[], ids: readonly number[]): string {
  if (ids.length === 0) return ''
  // A few tokens before are enough, and a character they leave unfinished is finished by what follows.
  const context = before.slice(-8)
  const whole = tokenizer.decode([...context, ...ids])
  const start = tokenizer.decode(context)
  return whole.startsWith(start) ? whole.slice(start.length) : tokenizer.decode(ids)
}
