import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { UserError } from '../../errors'
import type { JsonObject } from '../../json-file'
import { withinTime } from '../../time-limit'
import type { ChatMessage } from '../types'

const MOST_MS = 2000

/**
 * Messages as a checkpoint's chat template (Jinja) puts them, with the beginning of an answer: `apply_chat_template(…, add_generation_prompt=True)` of
 * transformers.
 * @param config tokenizer_config.json
 * @throws UserError when there is no template, or it is none
 */
export function applyChatTemplate(dir: string, config: JsonObject, messages: readonly ChatMessage[]): string {
  const source = templateOf(dir, config)
  if (source === undefined) {
    throw new UserError('the model has no chat template', {
      place: dir,
      hint: "tokenizer_config.json of a chat model has 'chat_template', or chat_template.jinja lies beside it; ask base models in the context 'qa' or 'question'"
    })
  }
  const token = (name: string) => {
    const value = config[name]
    return typeof value === 'object' && value !== null ? (value as JsonObject).content : (value ?? undefined)
  }
  try {
    return withinTime(MOST_MS, 'the chat template', () =>
      new Template(source).render({
        messages: messages.map((m) => ({ ...m })),
        add_generation_prompt: true,
        bos_token: token('bos_token') ?? '',
        eos_token: token('eos_token') ?? ''
      })
    )
  } catch (error) {
    throw new UserError(`the chat template cannot be applied: ${(error as Error).message}`, { place: dir })
  }
}

function templateOf(dir: string, { chat_template: own }: JsonObject): string | undefined {
  const file = join(dir, 'chat_template.jinja')
  if (existsSync(file)) return readFileSync(file, 'utf8')
  if (typeof own === 'string') return own
  // Several by name.
  if (!Array.isArray(own)) return undefined
  const named = own as { name?: unknown; template?: unknown }[]
  const chosen = named.find((t) => t.name === 'default')?.template
  return typeof chosen === 'string' ? chosen : undefined
}
