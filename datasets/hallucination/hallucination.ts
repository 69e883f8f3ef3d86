import { z } from 'zod'
import { findSubject } from '../../harness/edit'
import { present } from '../probes'
import { inWorld, type Layout, layout, loadRecords, type PlacelessCase, parseOptions, Unusable } from '../records'
import type { Dataset, EditCase, LoadOptions, Probe } from '../types'
import { generateWorld, worldHallucination } from '../world'

const text = z.string().trim().min(1)
const optional = z.string().nullish()

/** WISE's files, hallucination-edit.json and -train.json. */
const wiseRecord = z.object({
  prompt: text,
  target_new: text,
  subject: text,
  locality_prompt: optional,
  locality_ground_truth: optional,
  /** An addition of ours: sentences of the same text that are right already, with what comes before them. */
  accurate: z.array(z.object({ prompt: text, sentence: text })).nullish()
})

/** KnowEdit's WikiBio, wikibio-test-all.json and -train-all.json: the fields of GRACE, with questions that should stay. */
const knoweditRecord = z.object({
  text,
  labels: text,
  concept: text,
  locality: z
    .object({ Relation_Specificity: z.array(z.object({ prompt: text, ground_truth: z.array(z.string()) })).nullish() })
    .nullish()
})

const WISE = {
  name: "WISE's layout",
  keys: ['prompt', 'target_new', 'subject', 'locality_prompt'],
  without: ['ground_truth', 'rephrase_prompt']
}
const KNOWEDIT = { name: "KnowEdit's WikiBio", keys: ['text', 'labels', 'concept'] }

const switches = z.strictObject({})

const layouts: readonly Layout[] = [
  layout({ ...WISE, schema: wiseRecord, toCase: wiseCase }),
  layout({ ...KNOWEDIT, schema: knoweditRecord, toCase: knoweditCase })
]

export const hallucination: Dataset = {
  name: 'hallucination',
  title: 'Hallucination',
  source: 'Hartvigsen et al. 2023, arXiv 2211.11031 (GRACE); passages of Manakul et al. 2023, arXiv 2303.08896',
  license: 'CC BY-SA 3.0 as its card says; SelfCheckGPT code MIT',
  measures: ['perplexity'],
  layouts: [WISE, KNOWEDIT],

  async *load(source, options) {
    parseOptions('hallucination', switches, options.options)
    if (source === undefined) yield* fromWorld(options)
    else yield* loadRecords(source, layouts, options)
  }
}

function* fromWorld({ split = 'test', limit }: LoadOptions): Generator<EditCase> {
  const records = worldHallucination(generateWorld({ seed: 0 }), split).slice(0, limit)
  for (const [i, r] of records.entries()) yield inWorld(wiseCase(wiseRecord.parse(r), i), i)
}

function wiseCase(r: z.output<typeof wiseRecord>, index: number): PlacelessCase | Unusable {
  const [continued] = present([r.locality_ground_truth])
  return biography({ prompt: r.prompt, subject: r.subject, target: r.target_new }, index, [
    ...present([r.locality_prompt]).map(
      (prompt): Probe => ({
        property: 'locality',
        kind: 'unrelated',
        prompt,
        expected: 'same-as-before',
        ...(continued === undefined ? {} : { gold: continued.trim() })
      })
    ),
    ...(r.accurate ?? []).map(
      ({ prompt, sentence }): Probe => ({
        property: 'locality',
        kind: 'accurate-sentence',
        prompt,
        expected: 'same-as-before',
        gold: sentence
      })
    )
  ])
}

function knoweditCase(r: z.output<typeof knoweditRecord>, index: number): PlacelessCase | Unusable {
  return biography({ prompt: r.text, subject: r.concept, target: r.labels }, index, [
    ...(r.locality?.Relation_Specificity ?? []).map(
      ({ prompt, ground_truth: [gold] }): Probe => ({
        property: 'locality',
        kind: 'relation-specificity',
        prompt,
        expected: 'same-as-before',
        ...(gold === undefined ? {} : { gold: gold.trim() })
      })
    )
  ])
}

/** A sentence that is to follow the beginning of a biography. The header has the subject in lower case: it stands there first. */
function biography(
  { prompt, subject, target }: { prompt: string; subject: string; target: string },
  index: number,
  locality: readonly Probe[]
): PlacelessCase | Unusable {
  const header = prompt.toLowerCase().indexOf(subject.toLowerCase())
  const subjectAt = header < 0 ? findSubject(prompt, subject) : header
  if (subjectAt === undefined)
    return new Unusable('malformed', `the subject '${subject}' is not in '${prompt.slice(0, 80)}'`)
  // As the text writes it: names are compared without case, tokens are not.
  const written = prompt.slice(subjectAt, subjectAt + subject.length)
  return {
    id: `hallucination-${index}`,
    requests: [{ prompt, subject: written, subjectAt, target }],
    probes: [{ property: 'accuracy', kind: 'rewrite', prompt, expected: [target] }, ...locality]
  }
}
