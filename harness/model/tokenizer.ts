import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers'
import { UserError } from '../errors'
import type { Tokenizer } from './types'

interface SpecialToken {
  readonly content: string
}

/** Loads tokenizer.json and tokenizer_config.json of a checkpoint folder. `hash` covers both files. */
export function loadTokenizer(dir: string): Tokenizer & { readonly hash: string } {
  const file = join(dir, 'tokenizer.json')
  if (!existsSync(file)) {
    throw new UserError('tokenizer.json is missing', {
      place: dir,
      hint: 'save the tokenizer with transformers: AutoTokenizer.from_pretrained(NAME, use_fast=True).save_pretrained(DIR)'
    })
  }
  const json = readJson(file)
  const configFile = join(dir, 'tokenizer_config.json')
  const config = existsSync(configFile) ? readJson(configFile) : {}
  const hub = openHubTokenizer(file, json, config)
  const idOf = (token: unknown): number | undefined => {
    const text = typeof token === 'string' ? token : (token as SpecialToken | null | undefined)?.content
    return text === undefined ? undefined : hub.token_to_id(text)
  }
  const endOfText = idOf(config.eos_token) ?? hub.token_to_id('<|endoftext|>') ?? hub.token_to_id('</s>')
  if (endOfText === undefined) throw new UserError('the tokenizer names no end-of-text token', { place: configFile })
  return {
    vocabSize: hub.get_vocab().size,
    encode: (text) => (text === '' ? [] : hub.encode(text, { add_special_tokens: false }).ids),
    decode: (ids) =>
      ids.length === 0 ? '' : hub.decode([...ids], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    // What the tokenizer itself puts around an empty text, up to the end: Llama's <s>.
    prefix: hub.encode('').ids.filter((id) => id !== endOfText || id === idOf(config.bos_token)),
    endOfText,
    hash: createHash('sha256').update(JSON.stringify(json)).update(JSON.stringify(config)).digest('hex')
  }
}

function openHubTokenizer(file: string, json: object, config: object): HubTokenizer {
  try {
    return new HubTokenizer(json, config)
  } catch (error) {
    throw new UserError(`this tokenizer cannot be used: ${(error as Error).message}`, { place: file })
  }
}

function readJson(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw new UserError(`not JSON: ${(error as Error).message}`, { place: file })
  }
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
 * Index of the last token of `subject` in the tokens of `text` (prefix tokens not counted).
 * @throws UserError when the text does not hold the subject.
 */
export function lastSubjectToken(tokenizer: Tokenizer, text: string, subject: string): number {
  const start = text.lastIndexOf(subject)
  if (start < 0 || subject === '')
    throw new UserError(`the subject '${subject}' does not occur in the prompt '${text}'`)
  const end = start + subject.length
  const ids = tokenizer.encode(text)
  // Usually the tokens up to the end of the subject are those of the text cut there.
  const before = tokenizer.encode(text.slice(0, end))
  if (before.every((id, i) => id === ids[i])) return before.length - 1
  // Tokens that end inside a character decode to a replacement sign, so they cannot reach the end of the subject.
  for (let i = 0; i < ids.length; i++) {
    const piece = tokenizer.decode(ids.slice(0, i + 1))
    if (!piece.endsWith('\ufffd') && piece.length >= end) return i
  }
  return ids.length - 1
}
