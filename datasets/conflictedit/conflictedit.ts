import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../harness/errors'
import { datasetOfFiles, fileLayout } from '../from-files'
import { changesNothing } from '../probes'
import { type PlacelessCase, Unusable } from '../records'
import type { Continued, Probe } from '../types'

const text = z.string().trim().min(1)
const named = z.object({ label: text })
const relation = z.object({
  id: z.string(),
  // The target brings its own space.
  prompt: z
    .string()
    .transform((p) => p.trim())
    .refine((p) => p.split('{}').length === 2, "must hold '{}' once, where the subject goes")
})
const triple = z.object({ relation, subject: named, object: named })
const edit = triple.extend({ new_object: named })

const conflictRecord = z.object({
  triples: z.array(triple),
  prerequisites: z.array(z.number().int().min(0)).default([]),
  edits: z.tuple([edit, edit])
})

const roundRecord = z.object({ edit, true_objects: z.array(named).min(1) })

type Relation = z.output<typeof relation>

const switches = z.strictObject({
  prompts: z
    .string()
    .optional()
    .describe(
      'conflict_prompts.json or round_prompts.json of the official repository, relative to the data file: more prompts of each relation, over which probabilities are averaged'
    )
})
/** Other prompts of a relation, by its id. */
type Prompts = Readonly<Record<string, readonly string[]>>

const promptsFile = z.record(z.string(), z.array(z.string().refine((p) => p.includes('{}'), "must hold '{}'")))

function readPrompts({ prompts }: z.output<typeof switches>, { near }: { near: string }): Prompts {
  if (prompts === undefined) return {}
  const file = resolve(near, prompts)
  if (!existsSync(file)) throw new UserError('no such file of prompts', { place: file })
  try {
    return promptsFile.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    throw new UserError('not a file of prompts by relation', {
      place: file,
      hint: `expected is {"P22": ["The biological father of {} is", ...], ...}: ${(error as Error).message.split('\n')[0]}`
    })
  }
}

const SOURCE = 'Li et al. 2024, arXiv 2310.02129'
const WHERE = 'github.com/zjunlp/PitfallsKnowledgeEditing, data'

const fill = (template: string, subject: string): string => template.replaceAll('{}', () => subject).trim()

/** A fact in its relation's own words, and in all others there are. */
const inAllWords = ({ id, prompt }: Relation, subject: string, answer: string, prompts: Prompts): Continued[] =>
  [prompt, ...(prompts[id] ?? [])].map((p) => ({ prompt: fill(p, subject), text: answer }))

function requestOf({ relation: { prompt }, subject, object, new_object }: z.output<typeof edit>) {
  const subjectAt = prompt.indexOf('{}')
  return {
    prompt: fill(prompt, subject.label),
    subject: subject.label,
    subjectAt,
    target: new_object.label,
    previousTarget: object.label
  }
}

/** Two edits that contradict each other, the second on top of the first. */
export const conflictEdit = datasetOfFiles(
  {
    name: 'conflictedit',
    title: 'ConflictEdit',
    source: SOURCE,
    license: 'MIT',
    measures: ['conflict-score', 'conflict-magnitude', 'tied-fact-damage']
  },
  WHERE,
  [
    fileLayout({
      name: "ConflictEdit's records",
      keys: ['triples', 'prerequisites', 'edits'],
      schema: conflictRecord,
      toCase({ triples, prerequisites, edits }, index, prompts: Prompts): PlacelessCase | Unusable {
        const [earlier, later] = edits
        const requests = [requestOf(earlier), requestOf(later)] as const
        const known = (e: z.output<typeof edit>) => inAllWords(e.relation, e.subject.label, e.new_object.label, prompts)
        return {
          id: `conflictedit-${index}`,
          requests: [...requests],
          inOrder: true,
          probes: [
            {
              property: 'accuracy',
              kind: 'later-edit',
              prompt: requests[1].prompt,
              expected: [requests[1].target],
              sides: { wanted: known(later), other: known(earlier) }
            },
            ...prerequisites.flatMap((i) => triples[i] ?? []).map((t): Probe => tiedFact(t, prompts))
          ]
        }
      }
    })
  ],
  switches,
  readPrompts
)

/** What an implied fact rests on, which no edit is about. */
function tiedFact({ relation: own, subject, object }: z.output<typeof triple>, prompts: Prompts): Probe {
  const asked = inAllWords(own, subject.label, object.label, prompts)
  return {
    property: 'locality',
    kind: 'tied-fact',
    prompt: asked[0]!.prompt,
    expected: 'same-as-before',
    gold: object.label,
    sides: { wanted: asked, other: [] }
  }
}

/** An edit and the one that takes it back, where several answers were right. */
export const roundEdit = datasetOfFiles(
  {
    name: 'roundedit',
    title: 'RoundEdit',
    source: SOURCE,
    license: 'MIT',
    measures: ['distortion', 'ignore-rate', 'failure-rate']
  },
  WHERE,
  [
    fileLayout({
      name: "RoundEdit's records",
      keys: ['edit', 'true_objects'],
      schema: roundRecord,
      toCase({ edit: there, true_objects }, index, prompts: Prompts): PlacelessCase | Unusable {
        const { relation: own, subject, object, new_object } = there
        if (changesNothing(new_object.label, object.label))
          return new Unusable('no edit', `the new answer '${new_object.label}' is the old one`)
        const others = true_objects.map((o) => o.label).filter((label) => label !== object.label)
        const [prompt] = inAllWords(own, subject.label, object.label, prompts)
        const all = (answer: string) => inAllWords(own, subject.label, answer, prompts)
        return {
          id: `roundedit-${index}`,
          requests: [requestOf(there), requestOf({ ...there, object: new_object, new_object: object })],
          inOrder: true,
          probes: [
            { property: 'accuracy', kind: 'back-again', prompt: prompt!.prompt, expected: [object.label] },
            ...(others.length === 0
              ? []
              : [
                  {
                    property: 'locality',
                    kind: 'other-answers',
                    prompt: prompt!.prompt,
                    expected: 'same-as-before',
                    answers: [object.label, ...others].map(all)
                  } satisfies Probe
                ])
          ]
        }
      }
    })
  ],
  switches,
  readPrompts
)
