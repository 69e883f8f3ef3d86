import { Tokenizer as HubTokenizer, type PreTokenizer } from '@huggingface/tokenizers'
import { z } from 'zod'
import { UserError } from '../../errors'

/*
 * Which parts a tokenizer.json may be made of: those for which this program gives the ids of `tokenizers` (Rust). Where the JavaScript library computes a
 * part in another way it is put right here; everything else is refused by name, since other ids would be a silent wrong answer. golden/components.json
 * holds the ids of `tokenizers` for every part that is accepted.
 */

const text = z.string()
const flag = z.boolean()
/** A pattern as `tokenizers` writes it. */
const pattern = z.union([z.strictObject({ String: text.min(1) }), z.strictObject({ Regex: text.min(1) })])
/** JavaScript would take `$1` in a replacement for a group. */
const content = text.refine((s) => !s.includes('$'), "a replacement with '$'")

/** No vocabulary is larger, and lists are made as long as the largest id. */
const id = z
  .int()
  .min(0)
  .max(2 ** 24)
/** One sign, such as '▁'. */
const sign = text.refine((s) => [...s].length === 1, 'must be one character')

const BEHAVIOURS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
type Behaviour = (typeof BEHAVIOURS)[number]

const normalizers = {
  NFC: z.strictObject({ type: z.literal('NFC') }),
  NFD: z.strictObject({ type: z.literal('NFD') }),
  NFKC: z.strictObject({ type: z.literal('NFKC') }),
  NFKD: z.strictObject({ type: z.literal('NFKD') }),
  Prepend: z.strictObject({ type: z.literal('Prepend'), prepend: text.max(100) }),
  Replace: z.strictObject({ type: z.literal('Replace'), pattern, content })
}

const preTokenizers = {
  ByteLevel: z.strictObject({
    type: z.literal('ByteLevel'),
    add_prefix_space: flag,
    trim_offsets: flag.optional(),
    use_regex: flag.default(true)
  }),
  Metaspace: z.strictObject({
    type: z.literal('Metaspace'),
    replacement: sign,
    str_rep: text.optional(),
    add_prefix_space: flag.optional(),
    prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
    split: flag.default(true)
  }),
  Split: z.strictObject({
    type: z.literal('Split'),
    pattern,
    behavior: z.enum(BEHAVIOURS),
    invert: flag.default(false)
  }),
  Digits: z.strictObject({ type: z.literal('Digits'), individual_digits: flag.default(false) })
}

const named = z.looseObject({ id: text })
const templatePart = z.union([z.strictObject({ SpecialToken: named }), z.strictObject({ Sequence: named })])
/** Around a text that stands alone: the text itself, once. */
const single = z.array(templatePart).refine((parts) => {
  const texts = parts.flatMap((part) => ('Sequence' in part ? [part.Sequence.id] : []))
  return texts.length === 1 && texts[0] === 'A'
}, 'must hold the text once')

const postProcessors = {
  ByteLevel: z.looseObject({ type: z.literal('ByteLevel') }),
  TemplateProcessing: z.looseObject({
    type: z.literal('TemplateProcessing'),
    single,
    pair: z.array(templatePart).optional(),
    special_tokens: z.record(text, z.looseObject({ ids: z.array(id) }))
  })
}

const decoders = {
  ByteLevel: z.looseObject({ type: z.literal('ByteLevel') }),
  Metaspace: z.strictObject({
    type: z.literal('Metaspace'),
    replacement: sign,
    add_prefix_space: flag.optional(),
    prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
    split: flag.optional()
  }),
  Replace: z.strictObject({ type: z.literal('Replace'), pattern: z.strictObject({ String: text.min(1) }), content }),
  ByteFallback: z.strictObject({ type: z.literal('ByteFallback') }),
  Fuse: z.strictObject({ type: z.literal('Fuse') }),
  Strip: z.strictObject({
    type: z.literal('Strip'),
    content: text,
    start: z.number().int(),
    stop: z.number().int()
  })
}

const bpe = z.looseObject({
  type: z.literal('BPE').optional(),
  dropout: z.union([z.null(), z.literal(0)]).optional(),
  unk_token: text.nullish(),
  continuing_subword_prefix: z.union([z.null(), z.literal('')]).optional(),
  end_of_word_suffix: z.union([z.null(), z.literal('')]).optional(),
  fuse_unk: flag.optional(),
  byte_fallback: flag.optional(),
  ignore_merges: flag.optional(),
  vocab: z.record(text, id),
  merges: z.array(z.union([text, z.tuple([text, text])]))
})

const addedToken = z.looseObject({
  id,
  content: text.min(1),
  single_word: z.literal(false).optional(),
  special: flag.optional()
})

/** What of a tokenizer.json decides ids. */
interface TokenizerJson {
  readonly normalizer?: unknown
  readonly pre_tokenizer?: unknown
  readonly post_processor?: unknown
  readonly decoder?: unknown
  readonly model?: unknown
  readonly added_tokens?: unknown
}

export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
}

/**
 * Opens a tokenizer whose every part gives the ids of `tokenizers`.
 * @throws UserError that names the part which does not
 */
export function openTokenizer(
  file: string,
  json: TokenizerJson
): { hub: HubTokenizer; vocabulary: ReadonlyMap<string, number>; added: readonly AddedToken[] } {
  const refuse = (part: string, why: string) =>
    new UserError(`${part} is not computed here as the tokenizer was trained: ${why}`, {
      place: file,
      hint: 'no other ids are given for it; byte-pair encodings of GPT-2, GPT-NeoX, OPT, Llama, Mistral, Qwen and Gemma are supported'
    })
  const model = bpe.safeParse(json.model)
  if (!model.success) {
    const { type } = (json.model ?? {}) as { type?: unknown }
    const issue = model.error.issues[0]!
    if (type !== undefined && type !== 'BPE')
      throw refuse(`the model ${typeof type === 'string' ? type : JSON.stringify(type)}`, 'only BPE is supported')
    throw refuse('the model BPE', `${issue.path.join('.')}: ${issue.message}`)
  }
  check(json.normalizer, 'normalizer', 'normalizers', normalizers, refuse)
  check(json.pre_tokenizer, 'pre-tokenizer', 'pretokenizers', preTokenizers, refuse)
  check(json.post_processor, 'post-processor', 'processors', postProcessors, refuse)
  check(json.decoder, 'decoder', 'decoders', decoders, refuse)
  for (const [what, part] of Object.entries({ normalizer: json.normalizer, decoder: json.decoder }))
    if (growthOf(part) > MOST_GROWTH)
      throw refuse(
        `the ${what}`,
        `it makes texts up to ${growthOf(part)} times as long, ${MOST_GROWTH} at most are supported`
      )
  const added = z.array(addedToken).safeParse(json.added_tokens ?? [])
  if (!added.success) {
    const [issue] = added.error.issues
    const token = (json.added_tokens as { content?: unknown }[] | undefined)?.[Number(issue!.path[0])]
    throw refuse(`the added token ${JSON.stringify(token?.content)}`, `${issue!.path.slice(1).join('.')}`)
  }
  const whole = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
    ...json
  }
  let hub: HubTokenizer
  try {
    // Nothing of tokenizer_config.json changes ids in `tokenizers`; the library would let some of it.
    hub = new HubTokenizer({ ...whole, model: { ...model.data, type: 'BPE' } }, {})
  } catch (error) {
    throw new UserError(`this tokenizer cannot be used: ${(error as Error).message}`, { place: file })
  }
  correct(hub, json)
  const vocabulary = new Map(Object.entries(model.data.vocab))
  return { hub, vocabulary, added: added.data.map((t) => ({ ...t, special: t.special === true })) }
}

type Refuse = (part: string, why: string) => UserError

/** How many times as long a text may come out of a normalizer or decoder (Unicode's own forms apart). */
const MOST_GROWTH = 100

/** How many times as long as before `Replace` can make a text: a pattern may match between any two signs. */
function growthOf(component: unknown): number {
  const {
    type,
    pattern,
    content: put,
    ...rest
  } = (component ?? {}) as {
    readonly type?: unknown
    readonly pattern?: { readonly String?: string }
    readonly content?: string
    readonly normalizers?: readonly unknown[]
    readonly decoders?: readonly unknown[]
  }
  if (type === 'Replace') return Math.max(1, (put ?? '').length / (pattern?.String?.length ?? 1))
  return [...(rest.normalizers ?? []), ...(rest.decoders ?? [])].reduce<number>((all, part) => all * growthOf(part), 1)
}

/** A component, or a `Sequence` of them, each by the schema of its type. */
function check(
  component: unknown,
  what: string,
  listKey: string,
  known: Readonly<Record<string, z.ZodType>>,
  refuse: Refuse
): void {
  if (component === null || component === undefined) return
  const { type, ...rest } = component as { type?: unknown }
  if (type === 'Sequence') {
    const list = (rest as Record<string, unknown>)[listKey]
    if (!Array.isArray(list)) throw refuse(`the ${what} Sequence`, `'${listKey}' is no list`)
    for (const part of list) check(part, what, listKey, known, refuse)
    return
  }
  const schema = typeof type === 'string' && Object.hasOwn(known, type) ? known[type] : undefined
  if (schema === undefined)
    throw refuse(`the ${what} ${JSON.stringify(type)}`, `known are ${Object.keys(known).join(', ')}`)
  const parsed = schema.safeParse(component)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw refuse(`the ${what} ${type}`, `${issue!.path.join('.')} ${issue!.message}`)
  }
}

/** Parts of the library's objects that are put right; they are plain properties and methods there. */
interface Correctable {
  tokenizers?: Correctable[]
  decoders?: Correctable[]
  pattern?: RegExp
  use_regex?: boolean
  pre_tokenize_text?: (text: string, options?: { section_index?: number }) => string[]
  decode_chain?: (tokens: string[]) => string[]
}

/** White space as Rust and Oniguruma have it: JavaScript's \s has U+FEFF and lacks U+0085. */
const BYTE_LEVEL =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

function correct(hub: HubTokenizer, json: TokenizerJson): void {
  const pre = (hub as unknown as { pre_tokenizer: (Correctable & PreTokenizer) | null }).pre_tokenizer
  pair(json.pre_tokenizer, 'pretokenizers', pre, (part) => part.tokenizers).forEach(([config, part]) => {
    switch (config.type) {
      case 'ByteLevel':
        part.pattern = BYTE_LEVEL
        break
      case 'Digits':
        // Rust's is_numeric: every kind of number, not 0 to 9 alone.
        part.pattern = config.individual_digits === true ? /[^\p{N}]+|\p{N}/gu : /[^\p{N}]+|\p{N}+/gu
        break
      case 'Metaspace':
        correctMetaspace(config as unknown as MetaspaceConfig, part)
        break
      case 'Split': {
        const { behavior, invert = false } = config as unknown as { behavior: Behaviour; invert?: boolean }
        const matches = part.pattern!
        part.pre_tokenize_text = (text) => split(text, matches, behavior, invert)
      }
    }
  })
  const decoder = (hub as unknown as { decoder: Correctable | null }).decoder
  pair(json.decoder, 'decoders', decoder, (part) => part.decoders).forEach(([config, part]) => {
    if (config.type === 'ByteFallback') part.decode_chain = decodeByteFallback
    if (config.type === 'Metaspace') part.decode_chain = metaspaceDecoder(config as unknown as MetaspaceConfig)
  })
  // A token that is looked for in normalised text is also shown so.
  const { normalizer, model } = hub as unknown as {
    normalizer: ((text: string) => string) | null
    model: { vocab: string[] }
  }
  for (const token of hub.get_added_tokens_decoder().values())
    if (token.normalized && normalizer !== null) model.vocab[token.id] = normalizer(token.content)
}

/** Every component of a file beside the object the library made of it. */
function pair(
  config: unknown,
  listKey: string,
  made: Correctable | null,
  parts: (sequence: Correctable) => Correctable[] | undefined
): [{ readonly type: string; readonly [key: string]: unknown }, Correctable][] {
  if (config === null || config === undefined || made === null) return []
  const { type, ...rest } = config as { type: string; [key: string]: unknown }
  if (type !== 'Sequence') return [[{ type, ...rest }, made]]
  return (rest[listKey] as unknown[]).flatMap((inner, i) => pair(inner, listKey, parts(made)![i]!, parts))
}

interface MetaspaceConfig {
  readonly replacement: string
  readonly prepend_scheme?: 'always' | 'first' | 'never'
  readonly add_prefix_space?: boolean
  readonly split?: boolean
}

const schemeOf = ({ prepend_scheme, add_prefix_space }: MetaspaceConfig) =>
  prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always')

function correctMetaspace(config: MetaspaceConfig, part: Correctable): void {
  const { replacement, split: cuts = true } = config
  const scheme = schemeOf(config)
  part.pre_tokenize_text = (text, { section_index } = {}) => {
    const marked = text.replaceAll(' ', replacement)
    const prepend = scheme === 'always' || (scheme === 'first' && section_index === 0)
    const whole = prepend && !marked.startsWith(replacement) ? replacement + marked : marked
    return cuts ? split(whole, new RegExp(escaped(replacement), 'gu'), 'MergedWithNext', false) : [whole]
  }
}

const escaped = (literal: string): string => literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** `NormalizedString::split` of tokenizers. */
export function split(text: string, matches: RegExp, behaviour: Behaviour, invert: boolean): string[] {
  const pieces: { text: string; match: boolean }[] = []
  let at = 0
  const push = (end: number, match: boolean) => {
    if (end > at) pieces.push({ text: text.slice(at, end), match: match !== invert })
    at = end
  }
  for (const found of text.matchAll(matches)) {
    push(found.index, false)
    push(found.index + found[0].length, true)
  }
  push(text.length, false)
  const out: { text: string; match: boolean }[] = []
  const ordered = behaviour === 'MergedWithNext' ? pieces.reverse() : pieces
  let previous = false
  for (const piece of ordered) {
    const last = out.at(-1)
    const joins =
      behaviour === 'Contiguous'
        ? last?.match === piece.match
        : behaviour.startsWith('Merged') && piece.match && !previous
    previous = piece.match
    if (joins && last !== undefined) {
      last.text = behaviour === 'MergedWithNext' ? piece.text + last.text : last.text + piece.text
    } else if (behaviour !== 'Removed' || !piece.match) out.push({ ...piece })
  }
  return (behaviour === 'MergedWithNext' ? out.reverse() : out).map((p) => p.text)
}

/** The marks of the first token are the tokenizer's own, but where it never prepends one. */
function metaspaceDecoder(config: MetaspaceConfig): (tokens: string[]) => string[] {
  const first = schemeOf(config) === 'never' ? ' ' : ''
  return (tokens) => tokens.map((token, i) => token.replaceAll(config.replacement, i === 0 ? first : ' '))
}

/** Runs of byte tokens become their text; where they are no valid text, a replacement sign for every byte. */
function decodeByteFallback(tokens: string[]): string[] {
  const out: string[] = []
  let bytes: number[] = []
  const flush = () => {
    if (bytes.length === 0) return
    try {
      out.push(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes)))
    } catch {
      out.push(...bytes.map(() => '\ufffd'))
    }
    bytes = []
  }
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1]
    if (byte !== undefined) bytes.push(Number.parseInt(byte, 16))
    else {
      flush()
      out.push(token)
    }
  }
  flush()
  return out
}
