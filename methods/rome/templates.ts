import { encodePrompt, type LanguageModel, sample } from '../../harness/model'
import { randomStream } from '../../harness/random'
import type { EditContext } from '../types'
import type { RomeHyperparameters } from './hyperparameters'

const TOP_K = 5

/** By model, lengths and seed, for the life of the process. */
const known = new Map<string, readonly string[]>()

/**
 * Texts a fact may follow, each with `{}` where its prompt goes; the first is the bare prompt. The others start with what
 * the model itself says after an end-of-text token (kmeng01/rome, `get_context_templates`).
 */
export function contextTemplates(
  model: LanguageModel,
  h: RomeHyperparameters,
  { seed, onSetup }: Pick<EditContext, 'seed' | 'onSetup'>
): readonly string[] {
  if (h.context_templates !== undefined) return h.context_templates
  const key = JSON.stringify([model.hash, h.context_template_length_params, seed])
  const present = known.get(key)
  const templates = present ?? generate(model, h.context_template_length_params, seed)
  known.set(key, templates)
  onSetup?.('context templates', present === undefined ? 'computed' : 'cached')
  return templates
}

function generate(
  model: LanguageModel,
  lengths: RomeHyperparameters['context_template_length_params'],
  seed: number
): readonly string[] {
  const { tokenizer } = model
  const start = tokenizer.prefix.length > 0 ? encodePrompt(tokenizer, '') : [tokenizer.endOfText]
  const templates = ['{}']
  for (const [length, count] of lengths) {
    // The length counts the token it starts from.
    const texts = sample(
      model,
      Array.from({ length: count }, () => ({ prompt: start, said: [] })),
      { maxNewTokens: length - 1, topK: TOP_K, random: randomStream(seed, 'rome/templates', length) }
    )
    // Braces would be taken for the place of the prompt.
    for (const ids of texts)
      templates.push(`${tokenizer.decode(ids).replaceAll('\n\n', ' ').replace(/[{}]/g, ' ')}. {}`)
  }
  return templates
}
