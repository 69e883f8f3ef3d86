import { closestTo } from '../../closest'
import { UserError } from '../../errors'
import { gemma, gemma2, gemma3 } from './gemma'
import { gptNeoX } from './gpt-neox'
import { gpt2 } from './gpt2'
import { gptj } from './gptj'
import { llama } from './llama'
import { mistral } from './mistral'
import { opt } from './opt'
import { qwen2 } from './qwen2'
import { qwen3 } from './qwen3'
import type { Architecture } from './types'

export { type Architecture, fusedRow, type Pass, type WeightSource } from './types'

/** Every supported architecture; a new one is a file and a line here. */
export const ARCHITECTURES: readonly Architecture[] = [
  gpt2,
  gptj,
  gptNeoX,
  opt,
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma,
  gemma2,
  gemma3
]

export function architectureOf(modelType: unknown, place: string): Architecture {
  const found = ARCHITECTURES.find((a) => a.modelType === modelType)
  if (found !== undefined) return found
  const known = ARCHITECTURES.map((a) => a.modelType)
  throw new UserError(
    `model_type ${JSON.stringify(modelType)} is not supported${typeof modelType === 'string' ? closestTo(modelType, known) : ''}`,
    { place, hint: `supported are ${known.join(', ')}` }
  )
}
