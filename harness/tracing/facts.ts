import type { EditCase } from '../../datasets/types'
import { findSubject } from '../edit'
import type { TracedFact } from './types'

/** Facts of cases as they are before any edit, each prompt once. */
export function factsToTrace(cases: readonly EditCase[], most = Number.POSITIVE_INFINITY): TracedFact[] {
  const facts = new Map<string, TracedFact>()
  for (const { id, requests } of cases)
    for (const [
      i,
      { prompt, subject, subjectAt = findSubject(prompt, subject), previousTarget }
    ] of requests.entries()) {
      if (facts.size >= most) return [...facts.values()]
      if (subjectAt === undefined || facts.has(prompt)) continue
      const expected = previousTarget === undefined ? {} : { expected: previousTarget }
      facts.set(prompt, { id: i === 0 ? id : `${id}.${i}`, prompt, subject, subjectAt, ...expected })
    }
  return [...facts.values()]
}
