import { continued, encodePrompt, type LanguageModel } from '../../harness/model'
import { randomStream } from '../../harness/random'
import type { PrepareContext } from '../types'

const TOP_K = 5

/** What MEMIT's contexts begin with (kmeng01/memit, `get_context_templates`): a text each, of so many tokens. */
const STARTS = ['The', 'Therefore', 'Because', 'I', 'You']
const START_LENGTH = 10

/** Names as in the hparams files of kmeng01/rome. */
export interface ContextHyperparameters {
  /** [length in tokens, how many]. */
  readonly context_template_length_params: readonly (readonly [number, number])[]
  /** Texts to use instead of generated ones. */
  readonly context_templates?: readonly string[] | undefined
}

/**
 * Texts a fact may follow, each with `{}` where its prompt goes; the first is the bare prompt. The others start with what
 * the model itself says after an end-of-text token (kmeng01/rome, `get_context_templates`).
 */
export function contextTemplates(
  model: LanguageModel,
  h: ContextHyperparameters,
  { seed, keep, onSetup }: Pick<PrepareContext, 'seed' | 'keep' | 'onSetup'>
): readonly string[] {
  if (h.context_templates !== undefined) return h.context_templates
  let how: 'computed' | 'cached' = 'cached'
  const key = JSON.stringify(['context templates', model.hash, h.context_template_length_params, seed])
  const templates = keep(key, () => {
    how = 'computed'
    return generate(model, h.context_template_length_params, seed)
  })
  onSetup?.('context templates', how)
  return templates
}

/** MEMIT's contexts: the bare prompt, and a text after each of five words. */
export function startedTemplates(
  model: LanguageModel,
  { context_templates: given }: Pick<ContextHyperparameters, 'context_templates'>,
  { seed, keep, onSetup }: Pick<PrepareContext, 'seed' | 'keep' | 'onSetup'>
): readonly string[] {
  if (given !== undefined) return given
  let how: 'computed' | 'cached' = 'cached'
  const templates = keep(JSON.stringify(['started templates', model.hash, seed]), () => {
    how = 'computed'
    const random = randomStream(seed, 'memit/templates')
    // The length counts the tokens a text starts from.
    const { tokenizer } = model
    const texts = STARTS.map((start) => {
      const prompt = encodePrompt(tokenizer, start)
      const options = { maxNewTokens: START_LENGTH - prompt.length, sample: { topK: TOP_K, random: () => random } }
      const [said] = continued(model, [{ prompt, said: [] }], options)
      return asTemplate(tokenizer.decode([...prompt.slice(tokenizer.prefix.length), ...said!]))
    })
    return ['{}', ...texts]
  })
  onSetup?.('context templates', how)
  return templates
}

/** Braces would be taken for the place of the prompt. */
const asTemplate = (text: string): string => `${text.replaceAll('\n\n', ' ').replace(/[{}]/g, ' ')}. {}`

function generate(
  model: LanguageModel,
  lengths: ContextHyperparameters['context_template_length_params'],
  seed: number
): readonly string[] {
  const { tokenizer } = model
  const start = tokenizer.prefix.length > 0 ? encodePrompt(tokenizer, '') : [tokenizer.endOfText]
  const templates = ['{}']
  for (const [length, count] of lengths) {
    // The length counts the token it starts from.
    const random = randomStream(seed, 'rome/templates', length)
    const texts = continued(
      model,
      Array.from({ length: count }, () => ({ prompt: start, said: [] })),
      { maxNewTokens: length - 1, sample: { topK: TOP_K, random: () => random } }
    )
    for (const ids of texts) templates.push(asTemplate(tokenizer.decode(ids)))
  }
  return templates
}
