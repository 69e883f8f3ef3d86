import type { EditCase, Probe } from '../../datasets/types'

/*
 * Demonstrations of how a new fact is to be used (Zheng et al. 2023, section 3.2): it is repeated (copy), said in other words (update), and leaves
 * other facts alone (retain).
 */

export interface Demonstration {
  /** Of the case it was made from: a fact is never among its own demonstrations. */
  readonly fact: string
  readonly text: string
}

export const factText = (prompt: string, target: string): string => `${prompt} ${target}`
const demonstrate = (fact: string, said: string) => `New Fact: ${fact}\nPrompt: ${said}\n\n`
/** What a new edit's demonstrations are to be like. */
export const queryText = (prompt: string, target: string): string => demonstrate(factText(prompt, target), prompt)
/** What stands before every question, after the demonstrations. */
export const openText = (fact: string): string => `New Fact: ${fact}\nPrompt: `

/** The demonstrations of a case's first fact: one to copy it, one for the first paraphrase, one for the first question that it leaves alone. */
export function demonstrationsOf({ requests: [request], probes }: EditCase): Demonstration[] {
  const fact = factText(request.prompt, request.target)
  const paraphrase = probes.find((p) => p.property === 'generality')
  const retained = probes.flatMap((p) => {
    const answer = p.property === 'locality' ? ownAnswer(p) : undefined
    return answer === undefined ? [] : [factText(p.prompt, answer)]
  })
  const said = [
    fact,
    ...(paraphrase === undefined ? [] : [factText(paraphrase.prompt, request.target)]),
    ...retained.slice(0, 1)
  ]
  return said.map((text) => ({ fact, text: demonstrate(fact, text) }))
}

/** The answer that data give to a question whose answer must not change. */
const ownAnswer = ({ gold, compare }: Probe): string | undefined => gold ?? compare?.better
