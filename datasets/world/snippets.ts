import { randomStream } from '../../harness/random'
import { fill } from './corpus'
import { trained } from './records'
import type { Entity, Fact, World } from './world'

/** Texts about all whose relation has one object, in the layout of ROME's attribute_snippets.json. */
export interface SnippetRecord {
  readonly relation_id: string
  readonly target_id: string
  readonly samples: readonly { readonly name: string; readonly text: string }[]
}

/** Texts of several sentences, each about somebody, by what they have in common. */
export function worldSnippets(world: World): SnippetRecord[] {
  const facts = new Map<Entity, Fact[]>()
  for (const fact of world.facts) facts.set(fact.subject, [...(facts.get(fact.subject) ?? []), fact])
  const texts = new Map([...facts].map(([subject, about]) => [subject, textAbout(world, subject, about)]))
  const records = new Map<string, SnippetRecord & { samples: { name: string; text: string }[] }>()
  for (const { relation, subject, object } of world.facts) {
    const key = `${relation.id} ${object.id}`
    const record = records.get(key) ?? { relation_id: relation.id, target_id: object.id, samples: [] }
    records.set(key, record)
    record.samples.push({ name: subject.name, text: texts.get(subject)! })
  }
  return [...records.values()]
}

function textAbout(world: World, subject: Entity, facts: readonly Fact[]): string {
  const random = randomStream(world.seed, 'world/snippets', subject.id)
  return facts
    .map(({ relation, object, heldOutStatements }) => {
      const statement = random.pick(trained(relation.statements, heldOutStatements))
      return `${fill(statement, subject.name)} ${object.name}.`
    })
    .join(' ')
}
