import { z } from 'zod'
import { UserError } from '../harness/errors'
import { jsonElements } from './json-stream'
import { generateWorld, worldSnippets } from './world'

/*
 * Texts about others that have what an edit gives its subject: what the edited model writes should come to resemble them (kmeng01/rome,
 * attribute_snippets.json).
 */

/** Where they come from: a file, or the embedded world. */
export type SnippetSource = 'world' | (string & {})

const record = z.object({
  relation_id: z.string(),
  target_id: z.string(),
  samples: z.array(z.object({ text: z.string() }))
})

interface Snippets {
  /** All of them, by which words are rare or common. */
  readonly all: readonly string[]
  readonly of: ReadonlyMap<string, readonly string[]>
}

const keyOf = (relation: string, target: string): string => `${relation} ${target}`

const read = new Map<SnippetSource, Snippets>()

/** @throws UserError for a file that is none, with its line */
export function allSnippets(source: SnippetSource): readonly string[] {
  return snippetsOf(source).all
}

/** Those about others whose relation has this object. */
export const snippetsAbout = (source: SnippetSource, relation: string, target: string): readonly string[] =>
  snippetsOf(source).of.get(keyOf(relation, target)) ?? []

function snippetsOf(source: SnippetSource): Snippets {
  const known = read.get(source)
  if (known !== undefined) return known
  const all: string[] = []
  const of = new Map<string, string[]>()
  for (const { relation_id, target_id, samples } of source === 'world' ? fromWorld() : fromFile(source)) {
    const key = keyOf(relation_id, target_id)
    const texts = samples.map((s) => s.text)
    of.set(key, [...(of.get(key) ?? []), ...texts])
    all.push(...texts)
  }
  const snippets = { all, of }
  read.set(source, snippets)
  return snippets
}

const fromWorld = () => worldSnippets(generateWorld({ seed: 0 }))

function* fromFile(file: string): Generator<z.output<typeof record>> {
  for (const { text, line } of jsonElements(file)) {
    const parsed = record.safeParse(JSON.parse(text))
    if (!parsed.success)
      throw new UserError('not a record of snippets', {
        place: `${file}:${line}`,
        hint: 'expected is attribute_snippets.json of kmeng01/rome: relation_id, target_id, samples with a text each'
      })
    yield parsed.data
  }
}
