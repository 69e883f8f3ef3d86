import { closestTo } from '../../closest'
import { UserError } from '../../errors'
import type { JsonObject } from '../../json-file'

/**
 * Keys that change nothing about what a model computes: training, sampling, bookkeeping, other heads than the language model's. A key that is neither
 * here nor read is refused.
 */
const HARMLESS = new Set([
  ...['_name_or_path', 'architectures', 'model_type', 'transformers_version', 'dtype', 'torch_dtype', 'auto_map'],
  ...[
    'bos_token_id',
    'eos_token_id',
    'pad_token_id',
    'sep_token_id',
    'unk_token_id',
    'decoder_start_token_id',
    'prefix'
  ],
  ...[
    'tokenizer_class',
    'task_specific_params',
    'finetuning_task',
    'id2label',
    'label2id',
    'num_labels',
    'problem_type'
  ],
  ...[
    'output_attentions',
    'output_hidden_states',
    'output_scores',
    'return_dict',
    'return_dict_in_generate',
    'use_cache'
  ],
  ...['cache_implementation', 'initializer_range', 'init_std', 'gradient_checkpointing', 'chunk_size_feed_forward'],
  ...['attn_pdrop', 'embd_pdrop', 'resid_pdrop', 'dropout', 'attention_dropout', 'hidden_dropout', 'layerdrop'],
  ...[
    'activation_dropout',
    'classifier_dropout',
    'summary_activation',
    'summary_first_dropout',
    'summary_proj_to_labels'
  ],
  ...['summary_type', 'summary_use_proj', 'is_decoder', 'tie_encoder_decoder', 'torchscript', 'use_bfloat16'],
  ...['pretraining_tp', 'reorder_and_upcast_attn', 'n_ctx', 'attn_implementation', '_attn_implementation_autoset'],
  ...['early_stopping', 'do_sample', 'temperature', 'top_k', 'top_p', 'typical_p', 'num_beams', 'num_beam_groups'],
  ...['max_length', 'min_length', 'length_penalty', 'repetition_penalty', 'no_repeat_ngram_size', 'bad_words_ids'],
  ...['encoder_no_repeat_ngram_size', 'diversity_penalty', 'num_return_sequences', 'remove_invalid_values'],
  ...['exponential_decay_length_penalty', 'suppress_tokens', 'begin_suppress_tokens', 'forced_bos_token_id'],
  ...['forced_eos_token_id', 'cross_attention_hidden_size', 'unsloth_fixed', 'unsloth_version', 'use_kernels']
])

/** More than any width, vocabulary or context has. */
const MOST_COUNT = 2 ** 27

/** Switches that only some value of leaves the computation as it is. */
const ONLY: Readonly<Record<string, readonly unknown[]>> = {
  is_encoder_decoder: [false],
  add_cross_attention: [false],
  pruned_heads: [{}],
  use_bidirectional_attention: [false],
  layer_norm_elementwise_affine: [true],
  partial_rotary_factor: [1]
}

/** Reads a config.json, naming the key that is missing or wrong, and knows in the end which keys nobody understood. */
export class ConfigReader {
  readonly #json: JsonObject
  readonly #read = new Set<string>()
  readonly #parts: ConfigReader[] = []

  /** @param path keys this object lies under */
  constructor(
    json: JsonObject,
    readonly place = 'config.json',
    readonly path = ''
  ) {
    this.#json = json
  }

  /** Value of a key, undefined where it is missing. */
  value(key: string): unknown {
    this.#read.add(key)
    return Object.hasOwn(this.#json, key) ? this.#json[key] : undefined
  }

  /** Whether the key says something. */
  has(key: string): boolean {
    return this.value(key) !== undefined && this.value(key) !== null
  }

  number(key: string, fallback?: number): number {
    const value = this.value(key) ?? fallback
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw this.#wrong(key, 'must be a number', this.value(key))
  }

  /** A whole number from 1. */
  count(key: string, fallback?: number, most = MOST_COUNT): number {
    const value = this.number(key, fallback)
    if (Number.isSafeInteger(value) && value >= 1 && value <= most) return value
    throw this.#wrong(key, `must be a whole number from 1 to ${most}`, value)
  }

  /** A number of blocks. */
  layers(key: string): number {
    return this.count(key, undefined, 10_000)
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback
    if (typeof value === 'boolean') return value
    throw this.#wrong(key, 'must be true or false', value)
  }

  /** Refuses checkpoints that would silently compute something else. */
  only(key: string, allowed: readonly unknown[], fallback: unknown): void {
    const value = this.value(key) ?? fallback
    if (allowed.some((a) => JSON.stringify(a) === JSON.stringify(value))) return
    throw this.#wrong(key, `is supported as ${allowed.map((a) => JSON.stringify(a)).join(' or ')}`, value)
  }

  /** The object under a key, undefined where there is none; its keys are checked as well. */
  part(key: string): ConfigReader | undefined {
    const value = this.value(key)
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) throw this.#wrong(key, 'must be an object', value)
    const part = new ConfigReader(value as JsonObject, this.place, `${this.path}${key}.`)
    this.#parts.push(part)
    return part
  }

  /** @throws UserError that names the first key that was not read and is not known to be harmless */
  refuseUnread(): void {
    for (const [key, value] of Object.entries(this.#json)) {
      if (this.#read.has(key) || value === null || HARMLESS.has(key)) continue
      if (Object.hasOwn(ONLY, key)) {
        this.only(key, ONLY[key]!, undefined)
        continue
      }
      throw new UserError(`the key '${this.path}${key}' is not understood${closestTo(key, [...this.#read])}`, {
        place: this.place,
        hint:
          key === 'quantization_config'
            ? 'quantised checkpoints are not read: use the original one in F32, F16 or BF16'
            : `it may change what the model computes (${JSON.stringify(value)?.slice(0, 80)}); if it does not, take it out`
      })
    }
    for (const part of this.#parts) part.refuseUnread()
  }

  #wrong(key: string, message: string, value: unknown): UserError {
    return new UserError(`'${this.path}${key}' ${message}, found ${JSON.stringify(value)}`, { place: this.place })
  }
}
