import { z } from 'zod'
import { findSubject } from '../../harness/edit'
import { changesNothing, present } from '../probes'
import { layout, loadRecords, needsFile, type PlacelessCase, parseOptions, Unusable } from '../records'
import type { Dataset, Probe } from '../types'

const column = z.string().min(1)
const columns = z.union([column.transform((name) => [name]), z.array(column)])
const question = (property: string) =>
  z.array(
    z.strictObject({
      prompt: column.describe('Column of the question'),
      answer: column.describe('Column of its right answer, or answers'),
      kind: z
        .string()
        .regex(/^[a-z0-9-]+$/)
        .default(property)
        .describe('What such questions are called in results')
    })
  )

/** Which column of a table, or key of a record, is what. */
const mapping = z.strictObject({
  prompt: column.describe("Column of the edit's prompt; with '{}' in it, the subject's place"),
  subject: column.describe('Column of its subject'),
  target: column.describe('Column of the new answer'),
  previous: column.optional().describe('Column of the old answer'),
  id: column.optional().describe('Column that names a record; its number when missing'),
  paraphrases: columns.default([]).describe('Columns of paraphrases'),
  portability: question('portability').default([]).describe('Questions about what follows from the edit'),
  locality: z
    .array(
      z.strictObject({
        prompt: column.describe('Column of the question'),
        gold: column.optional().describe("Column of its right answer, over which EasyEdit's share of tokens is taken"),
        kind: z
          .string()
          .regex(/^[a-z0-9-]+$/)
          .default('unrelated')
          .describe('What such questions are called in results')
      })
    )
    .default([])
    .describe('Questions whose answer must stay')
})
type Mapping = z.output<typeof mapping>

/** Any record: columns of a table are texts, keys of JSON may hold lists of them. */
const record = z.record(z.string(), z.unknown())

export const custom: Dataset = {
  name: 'custom',
  title: 'A table of your own',
  source: 'yours',
  license: 'yours',
  measures: [],
  needsFile: true,
  layouts: [],

  async *load(source, options) {
    const own = parseOptions('custom', mapping, options.options)
    if (source === undefined) throw needsFile(custom, 'you: CSV, TSV, Parquet, JSON or JSON Lines')
    const any = layout({
      name: 'the columns of its options',
      keys: [own.prompt, own.subject, own.target],
      schema: record,
      toCase: (r, index) => toCase(r, index, own)
    })
    yield* loadRecords(source, [any], options)
  }
}

function toCase(r: z.output<typeof record>, index: number, own: Mapping): PlacelessCase | Unusable {
  const bad = (reason: string) => new Unusable('malformed', reason)
  const wrong = Object.entries(r).find(([name, value]) => used(own).includes(name) && texts(value) === undefined)
  if (wrong !== undefined)
    return bad(`'${wrong[0]}' holds ${JSON.stringify(wrong[1]).slice(0, 60)}, expected are texts`)
  const all = (name: string | undefined) => (name === undefined ? [] : (texts(r[name]) ?? []))
  const first = (name: string | undefined) => all(name)[0]?.trim()
  const [template, subject, target] = [first(own.prompt), first(own.subject), first(own.target)]
  for (const [name, value] of [
    [own.prompt, template],
    [own.subject, subject],
    [own.target, target]
  ] as const)
    if (value === undefined) return bad(`'${name}' is empty`)
  const at = template!.indexOf('{}')
  const prompt = at < 0 ? template! : template!.replace('{}', () => subject!)
  const subjectAt = at < 0 ? findSubject(prompt, subject!) : at
  if (subjectAt === undefined) return bad(`the subject '${subject}' is not in the prompt '${prompt}'`)
  const previous = first(own.previous)
  if (previous !== undefined && changesNothing(target!, previous))
    return new Unusable('no edit', `the new answer '${target}' is the old one`)
  return {
    id: `custom-${first(own.id) ?? index}`,
    requests: [
      {
        prompt,
        subject: subject!,
        subjectAt,
        target: target!,
        ...(previous === undefined ? {} : { previousTarget: previous })
      }
    ],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt, expected: [target!] },
      ...own.paraphrases
        .flatMap(all)
        .map((p): Probe => ({ property: 'generality', kind: 'paraphrase', prompt: p, expected: [target!] })),
      ...own.portability.flatMap(({ prompt: p, answer, kind }) => {
        const expected = all(answer).map((a) => a.trim())
        return expected.length === 0
          ? []
          : all(p).map((q): Probe => ({ property: 'portability', kind, prompt: q, expected }))
      }),
      ...own.locality.flatMap(({ prompt: p, gold, kind }) => {
        const right = first(gold)
        return all(p).map(
          (q): Probe => ({
            property: 'locality',
            kind,
            prompt: q,
            expected: 'same-as-before',
            ...(right === undefined ? {} : { gold: right })
          })
        )
      })
    ]
  }
}

/** The columns that a mapping names. */
const used = ({ prompt, subject, target, previous, id, paraphrases, portability, locality }: Mapping): string[] =>
  [
    ...[prompt, subject, target, previous, id],
    ...paraphrases,
    ...portability.flatMap((p) => [p.prompt, p.answer]),
    ...locality.flatMap((l) => [l.prompt, l.gold])
  ].filter((name) => name !== undefined)

/** The texts of a value, none where it is empty; undefined when it holds something else. */
function texts(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return []
  if (typeof value === 'number') return [String(value)]
  if (typeof value === 'string') return present([value])
  return Array.isArray(value) && value.every((v) => typeof v === 'string') ? present(value) : undefined
}
