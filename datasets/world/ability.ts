import { randomStream } from '../../harness/random'
import { fill, filler } from './corpus'
import { trained } from './records'
import type { World } from './world'

/** Texts that have nothing to do with any edit: sentences that say nothing, in company that the corpus never put them in. */
export function worldTexts(world: World): string[] {
  const random = randomStream(world.seed, 'world/ability/texts')
  return Array.from({ length: 20 }, () => Array.from({ length: 4 }, () => filler(random)).join(' '))
}

const CHOICES = 4

/** What is true of classes, which are never edited (where a nurse works, what family a harp belongs to), with other answers to choose from. */
export function worldChoices(world: World): { query: string; choices: string[]; gold: number }[] {
  return world.facts
    .filter((f) => f.subject.kind === 'class')
    .map(({ relation, subject, object, heldOutStatements }) => {
      const random = randomStream(world.seed, 'world/ability/choices', `${relation.id} ${subject.id}`)
      const others = random.shuffle(world.objectsOf(relation.id).filter((o) => o !== object)).slice(0, CHOICES - 1)
      const choices = random.shuffle([object, ...others])
      return {
        query: fill(random.pick(trained(relation.statements, heldOutStatements)), subject.name),
        choices: choices.map((o) => o.name),
        gold: choices.indexOf(object)
      }
    })
}
