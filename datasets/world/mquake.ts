import { randomStream } from '../../harness/random'
import { fill, follow } from './corpus'
import { pickTarget, type Split, splitOf, trained } from './records'
import { CHAINS, type Chain } from './relations'
import type { Entity, Fact, World } from './world'

interface Named {
  readonly str: string
  readonly id: string
}

interface Hop {
  readonly question: string
  readonly cloze: string
  readonly answer: string
  readonly answer_alias: readonly string[]
}

type Triple = readonly [subject: string, relation: string, object: string]

/** A record in the layout of princeton-nlp/MQuAKE. */
export interface MquakeRecord {
  readonly case_id: number
  readonly requested_rewrite: readonly {
    readonly prompt: string
    readonly relation_id: string
    readonly target_new: Named
    readonly target_true: Named
    readonly subject: string
    readonly question: string
  }[]
  readonly questions: readonly string[]
  readonly answer: string
  readonly answer_alias: readonly string[]
  readonly new_answer: string
  readonly new_answer_alias: readonly string[]
  readonly single_hops: readonly Hop[]
  readonly new_single_hops: readonly Hop[]
  readonly orig: {
    readonly triples: readonly Triple[]
    readonly new_triples: readonly Triple[]
    readonly edit_triples: readonly Triple[]
    readonly edit_triples_idx: readonly number[]
  }
}

/** Which facts of a chain are edited. */
const EDITED = [[0], [1], [0, 1]] as const

/**
 * MQuAKE of the world: chains of two facts of which the first, the second or both are edited, as statements of one fact each; their questions are
 * those the corpus asks about chains. The subjects of chains, not of second facts, are of the split.
 */
export function worldMquake(world: World, split: Split): MquakeRecord[] {
  const chains = CHAINS.flatMap((chain) =>
    world.entities
      .filter((e) => e.kind !== 'class' && splitOf(world, e) === split && follow(world, chain, e) !== undefined)
      .map((subject) => ({ chain, subject }))
  )
  return randomStream(world.seed, 'world/mquake/order', split)
    .shuffle(chains)
    .flatMap(({ chain, subject }) => record(world, chain, subject) ?? [])
    .map((r, case_id) => ({ case_id, ...r }))
}

function record(world: World, chain: Chain, subject: Entity): Omit<MquakeRecord, 'case_id'> | undefined {
  const random = randomStream(world.seed, 'world/mquake', `${chain.first} ${chain.second} ${subject.id}`)
  const first = world.factOf(chain.first, subject.id)!
  const second = world.factOf(chain.second, first.object.id)!
  const which = random.pick(EDITED)
  const edits: { fact: Fact; target: Entity }[] = []
  let [middle, end] = [first.object, second.object]
  if ((which as readonly number[]).includes(0)) {
    middle = pickTarget(world, first, chain, random)
    edits.push({ fact: first, target: middle })
  }
  const onward = world.factOf(chain.second, middle.id)
  if (onward === undefined) return undefined
  end = onward.object
  if ((which as readonly number[]).includes(1)) {
    end = pickTarget(world, onward, undefined, random)
    edits.push({ fact: onward, target: end })
  }
  // An edit that leads to the old answer by another way asks nothing.
  if (end === second.object) return undefined
  const hop = ({ relation, subject: s, heldOutQuestions, heldOutStatements }: Fact, object: Entity): Hop => ({
    question: fill(trained(relation.questions, heldOutQuestions)[0]!, s.name),
    cloze: fill(trained(relation.statements, heldOutStatements)[0]!, s.name),
    answer: object.name,
    answer_alias: aliases(object)
  })
  const triple = ({ relation, subject: s }: Fact, object: Entity): Triple => [s.id, relation.id, object.id]
  return {
    requested_rewrite: edits.map(({ fact, target }) => ({
      prompt: trained(fact.relation.statements, fact.heldOutStatements)[0]!,
      relation_id: fact.relation.id,
      target_new: { str: target.name, id: target.id },
      target_true: { str: fact.object.name, id: fact.object.id },
      subject: fact.subject.name,
      question: fill(trained(fact.relation.questions, fact.heldOutQuestions)[0]!, fact.subject.name)
    })),
    questions: chain.questions.map((q) => fill(q, subject.name)),
    answer: second.object.name,
    answer_alias: aliases(second.object),
    new_answer: end.name,
    new_answer_alias: aliases(end),
    single_hops: [hop(first, first.object), hop(second, second.object)],
    new_single_hops: [hop(first, middle), hop(onward, end)],
    orig: {
      triples: [triple(first, first.object), triple(second, second.object)],
      new_triples: [triple(first, middle), triple(onward, end)],
      edit_triples: edits.map(({ fact, target }) => triple(fact, target)),
      edit_triples_idx: [...which]
    }
  }
}

const aliases = ({ alias }: Entity): string[] => (alias === undefined ? [] : [alias])
