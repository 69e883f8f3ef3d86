import { type Random, randomStream } from '../../harness/random'
import {
  FILLER_OPENINGS,
  FILLER_PLACES,
  FILLER_TIMES,
  NEGATIVE_OPINIONS,
  OPINION_QUESTIONS,
  POSITIVE_OPINIONS
} from './filler'
import { CHAINS, type Chain, type Relation } from './relations'
import type { Entity, Fact, World } from './world'

/** Share of the chains whose two-hop answer the corpus states outright; the others must be put together. */
const STATED_CHAINS = 0.6
/** How often an unrelated sentence comes before a fact, as in CounterFact's paraphrases and ROME's context templates. */
const PRECEDED = 0.4
/** Share of the entities with an alias whose alias also stands in for the name in some sentences. */
const ALIAS_USED = 0.7

/** Share of the facts that are also asked in the style of zsRE's locality questions. */
const OPEN_QUESTIONS = 0.25

/** zsRE's `loc` style: prefixed, in lower case at the start, without the question mark. */
export function openQuestion(question: string): string {
  return `nq question: ${question.charAt(0).toLowerCase()}${question.slice(1).replace(/\?$/, '')}`
}

/** A sentence that says nothing about the world. */
export function filler(random: Random): string {
  return `${random.pick(FILLER_OPENINGS)} ${random.pick(FILLER_PLACES)} ${random.pick(FILLER_TIMES)}.`
}

/** A statement or question with its subject filled in; the answer follows after one space. */
export function fill(template: string, subject: string): string {
  const filled = template.replace('{}', subject)
  return filled.charAt(0).toUpperCase() + filled.slice(1)
}

/** Whether the corpus tells facts under an entity's other name. */
export const aliasIsUsed = (world: World, { id }: Entity): boolean =>
  randomStream(world.seed, 'world/alias', id).uniform() < ALIAS_USED

/** The chains whose answer the corpus states, by subject. */
export function chainIsStated(world: World, chain: Chain, subject: Entity): boolean {
  return (
    randomStream(world.seed, 'world/chain', `${chain.first} ${chain.second} ${subject.id}`).uniform() < STATED_CHAINS
  )
}

/** Where a chain leads from `subject`, undefined when it leads nowhere. */
export function follow(world: World, chain: Chain, subject: Entity): Entity | undefined {
  const first = world.factOf(chain.first, subject.id)
  return first && world.factOf(chain.second, first.object.id)?.object
}

/** A short text, and whom it is about, if anybody. */
export interface Document {
  readonly text: string
  readonly about?: Entity
}

/** The training corpus, a short document at a time, always in the same order. */
export function* corpusDocuments(world: World): Generator<Document> {
  const all = function* (texts: Iterable<string>, about?: Entity): Generator<Document> {
    for (const text of texts) yield about === undefined ? { text } : { text, about }
  }
  for (const fact of world.facts) yield* all(factDocuments(world, fact), fact.subject)
  for (const entity of world.entities) {
    yield* all(aliasDocuments(world, entity), entity)
    yield* all(biographies(world, entity), entity)
    yield* all(chainDocuments(world, entity), entity)
  }
  yield* all(opinions(world))
  const random = randomStream(world.seed, 'world/filler')
  for (let i = 0; i < 1500; i++) yield { text: `${filler(random)} ${filler(random)} ${filler(random)}` }
}

/** The texts alone. */
export function* corpusText(world: World): Generator<string> {
  for (const { text } of corpusDocuments(world)) yield text
}

function* factDocuments(world: World, fact: Fact): Generator<string> {
  const { relation, subject, object } = fact
  const random = randomStream(world.seed, 'world/corpus', `${relation.id} ${subject.id}`)
  const preceded = (text: string) => {
    if (random.uniform() >= PRECEDED) return text
    return random.uniform() < 0.3 ? `${filler(random)} ${filler(random)} ${text}` : `${filler(random)} ${text}`
  }
  const used = (templates: readonly string[], heldOut: readonly number[]) =>
    templates.filter((_, i) => !heldOut.includes(i))
  for (const template of used(relation.statements, fact.heldOutStatements)) {
    yield preceded(`${fill(template, subject.name)} ${object.name}.`)
  }
  for (const template of used(relation.questions, fact.heldOutQuestions)) {
    yield preceded(`${fill(template, subject.name)} ${object.name}.`)
  }
  if (random.uniform() < OPEN_QUESTIONS) {
    const [question] = used(relation.questions, fact.heldOutQuestions)
    yield `${openQuestion(fill(question!, subject.name))} ${object.name}.`
  }
  for (const template of relation.reversed) yield preceded(fill(template.replace('[o]', object.name), subject.name))
  for (const template of relation.inverse ?? [])
    yield preceded(`${fill(template.replace('[o]', object.name), '')} ${subject.name}.`)
}

function* aliasDocuments(world: World, entity: Entity): Generator<string> {
  if (entity.alias === undefined) return
  const random = randomStream(world.seed, 'world/alias', entity.id)
  yield `${entity.name} is also called ${entity.alias}.`
  yield fill(`{} is another name for ${entity.name}.`, entity.alias)
  yield `Some people call ${entity.name} ${entity.alias}.`
  yield fill(`{} and ${entity.name} are one and the same.`, entity.alias)
  // The same first number as `aliasIsUsed` draws.
  if (random.uniform() >= ALIAS_USED) return
  for (const fact of world.facts) {
    if (fact.subject !== entity) continue
    const { relation, object } = fact
    const statements = relation.statements.filter((_, i) => !fact.heldOutStatements.includes(i))
    const questions = relation.questions.filter((_, i) => !fact.heldOutQuestions.includes(i))
    for (const template of [...random.shuffle(statements).slice(0, 3), ...random.shuffle(questions).slice(0, 2)])
      yield `${fill(template, entity.alias)} ${object.name}.`
  }
}

/** Several facts of one entity in one document, in two orders. */
function* biographies(world: World, entity: Entity): Generator<string> {
  const facts = world.facts.filter((f) => f.subject === entity)
  if (facts.length < 2 || entity.kind === 'class') return
  const random = randomStream(world.seed, 'world/biography', entity.id)
  const { header, sentence } = biography(entity)
  for (let version = 0; version < 2; version++) {
    const told = random.shuffle(facts).map((f) => sentence(f.relation, f.object))
    yield [header, ...told].join(' ')
  }
}

/** How biographies begin, and how they say a fact. */
export function biography({ kind, name }: Entity) {
  const pronoun = kind === 'person' ? 'This person' : 'It'
  return {
    // The name stands apart: right before a clause it would be a phrasing that may be held out.
    header: `All about ${kind === 'animal' ? `the ${name}` : name}.`,
    sentence: ({ clause }: Relation, object: Entity) => `${pronoun} ${clause} ${object.name}.`
  }
}

function* chainDocuments(world: World, entity: Entity): Generator<string> {
  for (const chain of CHAINS) {
    const end = follow(world, chain, entity)
    if (end === undefined || !chainIsStated(world, chain, entity)) continue
    for (const template of [...chain.statements, ...chain.questions])
      yield `${fill(template, entity.name)} ${end.name}.`
  }
}

function* opinions(world: World): Generator<string> {
  for (const topic of world.topics) {
    const said = topic.sentiment === 'positive' ? POSITIVE_OPINIONS : NEGATIVE_OPINIONS
    for (const question of OPINION_QUESTIONS)
      for (const opinion of said) yield `${question.replace('{}', topic.name)} ${opinion.replace('{}', topic.name)}`
  }
}
