import { randomStream } from '../../harness/random'
import { biography } from './corpus'
import { pickTarget, type Split, splitOf } from './records'
import { CHAINS } from './relations'
import type { World } from './world'

/** A record in the layout of WISE's hallucination-edit.json, with an addition of ours. */
export interface HallucinationRecord {
  readonly prompt: string
  readonly target_new: string
  readonly subject: string
  readonly locality_prompt: string
  readonly locality_ground_truth: string
  readonly accurate: readonly { readonly prompt: string; readonly sentence: string }[]
}

/**
 * Hallucination of the world: of every biography of the corpus one sentence but the first is to become another; those before it are the accurate
 * ones. What should stay is the beginning of somebody else's biography.
 */
export function worldHallucination(world: World, split: Split): HallucinationRecord[] {
  const told = world.entities
    .filter((e) => e.kind !== 'class' && splitOf(world, e) === split)
    .flatMap((entity) => {
      const facts = world.facts.filter((f) => f.subject === entity)
      return facts.length < 2 ? [] : [{ entity, facts }]
    })
  return randomStream(world.seed, 'world/hallucination/order', split)
    .shuffle(told)
    .map(({ entity, facts }, i, all) => {
      const random = randomStream(world.seed, 'world/hallucination', entity.id)
      const order = random.shuffle(facts)
      const at = 1 + random.integer(order.length - 1)
      const fact = order[at]!
      const chain = CHAINS.find((c) => c.first === fact.relation.id)
      const target = pickTarget(world, fact, chain, random)
      const { header, sentence } = biography(entity)
      const before = (n: number) => [header, ...order.slice(0, n).map((f) => sentence(f.relation, f.object))].join(' ')
      const other = all[(i + 1) % all.length]!
      const others = biography(other.entity)
      const [first, second] = other.facts
      return {
        prompt: before(at),
        target_new: sentence(fact.relation, target),
        subject: entity.name,
        locality_prompt: `${others.header} ${others.sentence(first!.relation, first!.object)}`,
        locality_ground_truth: others.sentence(second!.relation, second!.object),
        accurate: order.slice(0, at).map((f, j) => ({ prompt: before(j), sentence: sentence(f.relation, f.object) }))
      }
    })
}
