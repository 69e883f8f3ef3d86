import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { escaped } from '../../harness/edit'
import { UserError } from '../../harness/errors'
import { datasetOfFiles, fileLayout } from '../from-files'
import { placeSubject, Unusable } from '../records'
import type { Probe, Property } from '../types'

const text = z.string().trim().min(1)

const query = z.object({
  prompt: text,
  answers: z.array(z.object({ value: z.string(), aliases: z.array(z.string()).default([]) }))
})
const test = z.object({
  test_queries: z.array(query),
  test_condition: z.enum(['OR', 'AND']).catch('AND'),
  condition_queries: z.array(query).default([])
})
type Test = z.output<typeof test>
const tests = z.array(test).default([])

const record = z.object({
  edit: z.object({
    prompt: text,
    subject_id: text,
    target_id: text,
    original_fact: z.object({ target_id: text }).nullish()
  }),
  Relation_Specificity: tests,
  Logical_Generalization: tests,
  Subject_Aliasing: tests,
  Compositionality_I: tests,
  Compositionality_II: tests,
  Forgetfulness: tests
})

/** What each kind of test is about (edenbiran/RippleEdits, src/testcase.py). */
const CATEGORIES = {
  Logical_Generalization: ['portability', 'logical-generalization'],
  Compositionality_I: ['portability', 'two-hop'],
  Compositionality_II: ['portability', 'forward-two-hop'],
  Subject_Aliasing: ['generality', 'subject-alias'],
  Relation_Specificity: ['locality', 'relation-specificity'],
  Forgetfulness: ['locality', 'other-objects']
} as const satisfies Readonly<Record<string, readonly [Property, string]>>

const switches = z.strictObject({
  labels: text
    .default('ent_label2id.json')
    .describe(
      "The official repository's names of entities (unzipped), relative to the data file, which holds their ids alone"
    )
})

export const rippleEdits = datasetOfFiles(
  {
    name: 'rippleedits',
    title: 'RippleEdits',
    source: 'Cohen et al. 2024, arXiv 2307.12976',
    license: 'MIT'
  },
  'github.com/edenbiran/RippleEdits, data/benchmark',
  [
    fileLayout({
      name: "RippleEdits' records",
      keys: ['edit', 'Relation_Specificity', 'Logical_Generalization'],
      schema: record,
      toCase(r, index, labels: ReadonlyMap<string, string>) {
        const { prompt: sentence, subject_id, target_id, original_fact: before } = r.edit
        const [subject, target] = [labels.get(subject_id), labels.get(target_id)]
        if (subject === undefined || target === undefined)
          return new Unusable('malformed', `no label of ${subject === undefined ? subject_id : target_id}`)
        const end = new RegExp(`\\s${escaped(target)}\\s*\\.?$`)
        if (!end.test(sentence)) return new Unusable('malformed', `'${sentence}' does not end with '${target}'`)
        const prompt = sentence.replace(end, '')
        const subjectAt = placeSubject(prompt, subject)
        if (subjectAt instanceof Unusable) return subjectAt
        const previous = before ? labels.get(before.target_id) : undefined
        return {
          id: `rippleedits-${index}`,
          requests: [
            {
              prompt,
              subject,
              subjectAt,
              target,
              ...(previous === undefined ? {} : { previousTarget: previous })
            }
          ],
          probes: [
            { property: 'accuracy', kind: 'rewrite', prompt, expected: [target] },
            ...Object.entries(CATEGORIES).flatMap(([name, [property, kind]]) =>
              r[name as keyof typeof CATEGORIES].flatMap((t, i) => probesOf(t, property, kind, `${kind} ${i}`))
            )
          ]
        }
      }
    })
  ],
  switches,
  ({ labels }, { near }) => readLabels(resolve(near, labels))
)

/** The questions of a test: one of them is enough where it says OR. Whether the unedited model knows what it rests on is stored beside the answers. */
function probesOf(
  { test_queries, test_condition, condition_queries }: Test,
  property: Property,
  kind: string,
  group: string
): Probe[] {
  const needs = condition_queries.flatMap((q) => {
    const [expected] = answersOf(q)
    return expected === undefined ? [] : [{ prompt: q.prompt, expected }]
  })[0]
  return test_queries.flatMap((q) =>
    answersOf(q).map(
      (expected): Probe => ({
        property,
        kind,
        prompt: q.prompt,
        expected,
        ...(test_condition === 'OR' && test_queries.length > 1 ? { anyOf: group } : {}),
        ...(needs === undefined ? {} : { needs })
      })
    )
  )
}

/** Every answer that must be given, with its other names; single letters are none (src/queryexecutor.py). */
const answersOf = ({ answers }: z.output<typeof query>): string[][] =>
  answers
    .map(({ value, aliases }) => [value, ...aliases].map((a) => a.trim()).filter((a) => a.length > 1 || /\d/.test(a)))
    .filter((names) => names.length > 0)

const labelsFile = z.record(z.string(), z.string())

function readLabels(file: string): Map<string, string> {
  if (!existsSync(file))
    throw new UserError('no such file of labels', {
      place: file,
      hint: "'labels' names ent_label2id.json, which github.com/edenbiran/RippleEdits has as data/ent_label2id.json.zip"
    })
  try {
    const parsed = labelsFile.parse(JSON.parse(readFileSync(file, 'utf8')))
    return new Map(Object.entries(parsed).map(([label, id]) => [id, label]))
  } catch (error) {
    throw new UserError('not a file of labels', {
      place: file,
      hint: `expected is {"Lima": "Q2868", …}: ${(error as Error).message.split('\n')[0]}`
    })
  }
}
