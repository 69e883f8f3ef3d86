import type { EditCase, Probe } from '../../datasets/types'
import type { Tokenizer } from '../model'

/**
 * A case whose target is the last so many tokens of a text: only the model's tokenizer knows where they begin. A token that begins inside a word takes the
 * rest of the word with it, since prompts and targets are tokenised apart, with a space between them.
 */
export function cutByTokens(tokenizer: Tokenizer, editCase: EditCase): EditCase {
  const { lastTokens: count } = editCase
  if (count === undefined) return editCase
  const cut = (prompt: string, target: string) => lastTokens(tokenizer, `${prompt} ${target}`, count)
  const [request] = editCase.requests
  const { prompt, target } = cut(request.prompt, request.target)
  const subject = request.subject === request.prompt ? prompt : request.subject
  const probe = (p: Probe): Probe => {
    if (p.expected === 'same-as-before') return p
    const own = cut(p.prompt, p.expected[0]!)
    return { ...p, prompt: own.prompt, expected: [own.target] }
  }
  return { ...editCase, requests: [{ ...request, prompt, subject, target }], probes: editCase.probes.map(probe) }
}

function lastTokens(tokenizer: Tokenizer, text: string, count: number): { prompt: string; target: string } {
  const ids = tokenizer.encode(text)
  const before = tokenizer.decode(ids.slice(0, Math.max(1, ids.length - count))).length
  // At least a word stays.
  const at = Math.max(text.indexOf(' '), text.lastIndexOf(' ', before))
  return { prompt: text.slice(0, at), target: text.slice(at + 1) }
}
