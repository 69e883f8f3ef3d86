import { type Random, randomStream } from '../../harness/random'
import { aliasIsUsed, chainIsStated, fill, follow } from './corpus'
import { trained, withheld } from './records'
import { CHAINS } from './relations'
import type { Fact, World } from './world'

/** What the corpus has to do with a question. */
export const PROBE_KINDS = {
  trained: 'in phrasings used in training',
  'held-out': 'in phrasings never used for that fact',
  alias: 'under another name of the subject that facts were told under',
  'alias-untold': 'under another name that was only said to be one',
  'two-hop': 'two facts together, as stated in training',
  'two-hop-unstated': 'two facts together that were never put together'
} as const
export type ProbeKind = keyof typeof PROBE_KINDS

/** A question that measures whether a model knows the world. */
export interface FactProbe {
  readonly prompt: string
  readonly answer: string
  readonly kind: ProbeKind
  readonly form: 'statement' | 'question'
  readonly relation: string
  readonly subject: string
}

/**
 * For every fact: a statement and a question in phrasings the corpus used for it, one of each in phrasings it never used, and one of each under
 * another name of the subject; for every chain of two facts a statement and a question.
 */
export function* probeWorldFacts(world: World): Generator<FactProbe> {
  for (const fact of world.facts) yield* factProbes(world, fact)
  for (const chain of CHAINS)
    for (const subject of world.entities) {
      const end = follow(world, chain, subject)
      if (end === undefined) continue
      const relation = `${chain.first} ${chain.second}`
      const random = randomStream(world.seed, 'world/probe', `${relation} ${subject.id}`)
      const kind = chainIsStated(world, chain, subject) ? 'two-hop' : 'two-hop-unstated'
      yield* both(random, kind, chain, { relation, subject: subject.name, answer: end.name })
    }
}

function* factProbes(world: World, { relation, subject, object, ...heldOut }: Fact): Generator<FactProbe> {
  const random = randomStream(world.seed, 'world/probe', `${relation.id} ${subject.id}`)
  const about = { relation: relation.id, subject: subject.name, answer: object.name }
  const used = {
    statements: trained(relation.statements, heldOut.heldOutStatements),
    questions: trained(relation.questions, heldOut.heldOutQuestions)
  }
  yield* both(random, 'trained', used, about)
  const unused = {
    statements: withheld(relation.statements, heldOut.heldOutStatements),
    questions: withheld(relation.questions, heldOut.heldOutQuestions)
  }
  yield* both(random, 'held-out', unused, about)
  if (subject.alias === undefined) return
  yield* both(random, aliasIsUsed(world, subject) ? 'alias' : 'alias-untold', used, {
    ...about,
    subject: subject.alias
  })
}

function* both(
  random: Random,
  kind: ProbeKind,
  { statements, questions }: { readonly statements: readonly string[]; readonly questions: readonly string[] },
  about: Pick<FactProbe, 'relation' | 'subject' | 'answer'>
): Generator<FactProbe> {
  for (const [form, templates] of [
    ['statement', statements],
    ['question', questions]
  ] as const)
    if (templates.length > 0) yield { ...about, kind, form, prompt: fill(random.pick(templates), about.subject) }
}
