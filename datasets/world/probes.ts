import { randomStream } from '../../harness/random'
import { fill } from './corpus'
import { trained, withheld } from './records'
import type { World } from './world'

/** A question that measures whether a model knows the world. */
export interface FactProbe {
  readonly prompt: string
  readonly answer: string
  /** Whether the corpus asked just this about the fact. */
  readonly kind: 'trained' | 'held-out'
  readonly form: 'statement' | 'question'
  readonly relation: string
  readonly subject: string
}

/** For every fact: a statement and a question in phrasings the corpus used for it, and one of each in phrasings it never used. */
export function probeFacts(world: World): FactProbe[] {
  return world.facts.flatMap((fact) => {
    const { relation, subject, object } = fact
    const random = randomStream(world.seed, 'world/probe', `${relation.id} ${subject.id}`)
    const probe = (kind: FactProbe['kind'], form: FactProbe['form'], templates: readonly string[]): FactProbe[] =>
      templates.length === 0
        ? []
        : [
            {
              prompt: fill(random.pick(templates), subject.name),
              answer: object.name,
              kind,
              form,
              relation: relation.id,
              subject: subject.name
            }
          ]
    return [
      ...probe('trained', 'statement', trained(relation.statements, fact.heldOutStatements)),
      ...probe('trained', 'question', trained(relation.questions, fact.heldOutQuestions)),
      ...probe('held-out', 'statement', withheld(relation.statements, fact.heldOutStatements)),
      ...probe('held-out', 'question', withheld(relation.questions, fact.heldOutQuestions))
    ]
  })
}
