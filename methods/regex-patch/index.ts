import { z } from 'zod'
import { type EditRequest, escaped, type TextRule } from '../../harness/edit'
import { defineMethod } from '../types'

/** Names as in README.md; there is no published implementation. */
const hyperparameters = z.strictObject({
  ignore_case: z.boolean().default(true).describe('Whether a prompt matches in any case')
})

/** The prompt, whatever stands around it and however it ends: questions with and without their mark. */
export function ruleOf({ prompt, target }: EditRequest, ignoreCase: boolean): TextRule {
  const bare = prompt.trim().replace(/[?？。.\s]+$/u, '')
  return { pattern: `^\\s*${escaped(bare)}[?？。.\\s]*$`, ignoreCase, scope: 'answer', text: target }
}

/** Regular-expression patches (the book, 5.2.1): the prompt of an edit is answered from a table, and no model is asked. */
export const regexPatch = defineMethod({
  name: 'regex-patch',
  title: 'Regex patch',
  family: 'knowledge-cache',
  source: 'the book, 5.2.1; as a baseline in Murty et al. 2022, arXiv 2211.03318',
  holdsMany: true,
  hyperparameters,
  passesPerToken: () => 0,
  async *edit(_, groups, h) {
    for (const requests of groups) {
      const rules = requests.map((request) => ruleOf(request, h.ignore_case))
      yield [{ method: 'regex-patch', requests, parts: [{ kind: 'rules', rules }], diagnostics: { flops: 0 } }]
    }
  }
})
