import { fill, filler } from './corpus'
import { counterfactuals, type PortabilityQuestion, type Split, samePartPrompts, trained, withheld } from './records'
import type { Entity, Fact, World } from './world'

/** A record in the layout of ROME's counterfact.json, with the additions of Yao et al. (2023). */
export interface CounterfactRecord {
  readonly case_id: number
  readonly pararel_idx: number
  readonly requested_rewrite: {
    readonly prompt: string
    readonly relation_id: string
    readonly target_new: { readonly str: string; readonly id: string }
    readonly target_true: { readonly str: string; readonly id: string }
    readonly subject: string
  }
  readonly paraphrase_prompts: readonly string[]
  readonly neighborhood_prompts: readonly string[]
  readonly attribute_prompts: readonly string[]
  readonly generation_prompts: readonly string[]
  readonly portability?: PortabilityQuestion
  readonly alternative_subject?: string
  readonly same_first_part_prompts?: readonly string[]
  readonly same_last_part_prompts?: readonly string[]
}

const NEIGHBOURS = 10

/** CounterFact of the world: every fact whose object has ten other subjects. */
export function worldCounterfact(world: World, split: Split): CounterfactRecord[] {
  const sharing = (relation: string, object: Entity) =>
    world.facts.filter((f) => f.relation.id === relation && f.object === object)
  const usable = (fact: Fact) => sharing(fact.relation.id, fact.object).length > NEIGHBOURS
  return counterfactuals(world, split, 'counterfact', usable).map(({ fact, target, random, portability }, i) => {
    const { relation, subject, object } = fact
    const prompt = random.pick(trained(relation.statements, fact.heldOutStatements))
    const paraphrases = random.shuffle(withheld(relation.statements, fact.heldOutStatements)).slice(0, 2)
    const others = (o: Entity) =>
      random
        .shuffle(sharing(relation.id, o).filter((f) => f.subject !== subject))
        .slice(0, NEIGHBOURS)
        .map((f) => fill(prompt, f.subject.name))
    const about = world.facts.filter((f) => f.subject === subject)
    return {
      case_id: i,
      pararel_idx: world.facts.indexOf(fact),
      requested_rewrite: {
        prompt,
        relation_id: relation.id,
        target_new: { str: target.name, id: target.id },
        target_true: { str: object.name, id: object.id },
        subject: subject.name
      },
      paraphrase_prompts: paraphrases.map((p) => `${filler(random)} ${fill(p, subject.name)}`),
      neighborhood_prompts: others(object),
      attribute_prompts: others(target),
      generation_prompts: Array.from({ length: NEIGHBOURS }, () =>
        fill(random.pick(random.pick(about).relation.statements), subject.name)
      ),
      ...(portability === undefined ? {} : { portability }),
      ...(subject.alias === undefined ? {} : { alternative_subject: subject.alias }),
      ...samePartPrompts(world, fact, prompt, random)
    }
  })
}
