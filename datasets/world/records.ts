import { type Random, randomStream } from '../../harness/random'
import { chainIsStated, fill, follow } from './corpus'
import { CHAINS, type Chain } from './relations'
import type { Entity, Fact, World } from './world'

export type Split = 'train' | 'test'

/** A subject's split: the subjects of train and test are disjoint. */
export function splitOf(world: World, subject: Entity): Split {
  return randomStream(world.seed, 'world/split', subject.id).uniform() < 0.5 ? 'train' : 'test'
}

/** One-hop portability as the official additions write it. */
export interface PortabilityQuestion {
  readonly 'Recalled Relation': string
  readonly 'New Question': string
  readonly 'New Answer': string
  /** Right before the edit. */
  readonly 'Old Answer': string
}

/** An edit of the world: a fact and the object it is to have instead. */
export interface Counterfactual {
  readonly fact: Fact
  readonly target: Entity
  readonly random: Random
  readonly portability?: PortabilityQuestion
}

/** One counterfactual for every fact of the split, in random order. */
export function counterfactuals(
  world: World,
  split: Split,
  purpose: string,
  usable: (fact: Fact) => boolean
): Counterfactual[] {
  const facts = world.facts.filter(
    (f) => f.subject.kind !== 'class' && splitOf(world, f.subject) === split && usable(f)
  )
  return randomStream(world.seed, `world/${purpose}/order`, split)
    .shuffle(facts)
    .map((fact) => {
      const random = randomStream(world.seed, `world/${purpose}`, `${fact.relation.id} ${fact.subject.id}`)
      const chain = CHAINS.find((c) => c.first === fact.relation.id)
      const target = pickTarget(world, fact, chain, random)
      const portability = chain && portabilityQuestion(world, chain, fact, target, random)
      return { fact, target, random, ...(portability === undefined ? {} : { portability }) }
    })
}

/** Another object of the same kind, leading somewhere else along the chain, and no other subject's where the relation is one to one. */
export function pickTarget(world: World, fact: Fact, chain: Chain | undefined, random: Random): Entity {
  const taken = new Set(world.objectsOf(fact.relation.id))
  const candidates =
    fact.relation.inverse === undefined
      ? [...taken].filter((o) => o !== fact.object)
      : world.entities.filter((e) => e.kind === fact.object.kind && !taken.has(e))
  const end = (o: Entity) => (chain === undefined ? undefined : world.factOf(chain.second, o.id)?.object)
  const elsewhere = candidates.filter((o) => chain === undefined || end(o) !== end(fact.object))
  return random.pick(elsewhere.length > 0 ? elsewhere : candidates)
}

function portabilityQuestion(
  world: World,
  chain: Chain,
  fact: Fact,
  target: Entity,
  random: Random
): PortabilityQuestion | undefined {
  const answer = world.factOf(chain.second, target.id)
  const old = follow(world, chain, fact.subject)
  if (answer === undefined || old === undefined || answer.object === target || old === answer.object) return undefined
  // A chain the corpus never states is a question whose very wording the model has not seen for this subject.
  const template = chainIsStated(world, chain, fact.subject) ? chain.questions[0]! : random.pick(chain.questions)
  return {
    'Recalled Relation': `(${target.name}, ${answer.relation.name}, ${answer.object.name})`,
    'New Question': fill(template, fact.subject.name),
    'New Answer': answer.object.name,
    'Old Answer': old.name
  }
}

/** Others of the relation whose names share a part with the subject's. */
const SAME_PART = 4

/** A question about others that share the first, or the last part of their name with a fact's subject: fields the official layouts do not have. */
export function samePartPrompts(world: World, { relation, subject }: Fact, template: string, random: Random) {
  const sharing = (part: 0 | 1) =>
    random
      .shuffle(
        world.facts.filter(
          (f) => f.relation === relation && f.subject !== subject && f.subject.parts?.[part] === subject.parts![part]
        )
      )
      .slice(0, SAME_PART)
      .map((f) => fill(template, f.subject.name))
  if (subject.parts === undefined) return {}
  return { same_first_part_prompts: sharing(0), same_last_part_prompts: sharing(1) }
}

/** Templates of a list the corpus used for the fact. */
export const trained = (templates: readonly string[], heldOut: readonly number[]): string[] =>
  templates.filter((_, i) => !heldOut.includes(i))
/** Templates of a list the corpus never used for the fact. */
export const withheld = (templates: readonly string[], heldOut: readonly number[]): string[] =>
  templates.filter((_, i) => heldOut.includes(i))
