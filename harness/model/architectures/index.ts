import { UserError } from '../../errors'
import { gpt2 } from './gpt2'
import { gptj } from './gptj'
import { llama } from './llama'
import type { Architecture } from './types'

export type { Architecture, Pass, WeightSource } from './types'

/** Every supported architecture; a new one is a file and a line here. */
export const ARCHITECTURES: readonly Architecture[] = [gpt2, gptj, llama]

export function architectureOf(modelType: unknown, place: string): Architecture {
  const found = ARCHITECTURES.find((a) => a.modelType === modelType)
  if (found !== undefined) return found
  throw new UserError(`model_type ${JSON.stringify(modelType)} is not supported`, {
    place,
    hint: `supported are ${ARCHITECTURES.map((a) => a.modelType).join(', ')}`
  })
}
