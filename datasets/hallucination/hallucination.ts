import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { findSubject } from '../../harness/edit'
import { UserError } from '../../harness/errors'
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

/** The passages themselves (potsawee/wiki_bio_gpt3_hallucination), from which GRACE derives its edits. */
const passageRecord = z.object({
  gpt3_sentences: z.array(text).min(1),
  annotation: z.array(z.string()),
  wiki_bio_text: text
})

const PASSAGES = { name: 'the annotated passages', keys: ['gpt3_sentences', 'annotation', 'wiki_bio_text'] }
const WISE = {
  name: "WISE's layout",
  keys: ['prompt', 'target_new', 'subject', 'locality_prompt'],
  without: ['ground_truth', 'rephrase_prompt']
}
const KNOWEDIT = { name: "KnowEdit's WikiBio", keys: ['text', 'labels', 'concept'] }

const switches = z.strictObject({
  concepts: z
    .string()
    .default('wiki_bio_concepts.txt')
    .describe(
      "Names of the annotated passages' subjects, one a line (grace/wiki_bio_concepts.txt), relative to the data file"
    )
})

const layouts = (concepts: () => readonly string[]): Layout[] => [
  layout({ ...WISE, schema: wiseRecord, toCase: wiseCase }),
  layout({ ...KNOWEDIT, schema: knoweditRecord, toCase: knoweditCase }),
  layout({ ...PASSAGES, schema: passageRecord, toCase: (r, index) => passageCases(r, index, concepts()) })
]

export const hallucination: Dataset = {
  name: 'hallucination',
  title: 'Hallucination',
  source: 'Hartvigsen et al. 2023, arXiv 2211.11031 (GRACE); passages of Manakul et al. 2023, arXiv 2303.08896',
  license: 'CC BY-SA 3.0 as its card says; SelfCheckGPT code MIT',
  measures: ['perplexity'],
  layouts: [WISE, KNOWEDIT, PASSAGES],

  async *load(source, options) {
    const { concepts } = parseOptions('hallucination', switches, options.options)
    if (source === undefined) yield* fromWorld(options)
    else yield* loadRecords(source, layouts(conceptsOf(resolve(options.near ?? dirname(source), concepts))), options)
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

/** Reads the file when a record needs it. @throws UserError when it is not there */
function conceptsOf(file: string): () => readonly string[] {
  let names: string[] | undefined
  return () => {
    if (!existsSync(file)) {
      throw new UserError('the names of the passages’ subjects are missing', {
        place: file,
        hint: "they are grace/wiki_bio_concepts.txt of github.com/Thartvigsen/GRACE; 'concepts' in the options names the file"
      })
    }
    names ??= readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((n) => n.trim())
    return names
  }
}

/**
 * As GRACE derives edits from a passage: every sentence that is not accurate is to become the sentence at its place in the real text, after the sentences
 * that a model wrote before it; the accurate ones should stay likely.
 */
function passageCases(
  r: z.output<typeof passageRecord>,
  index: number,
  concepts: readonly string[]
): Unusable | PlacelessCase[] {
  const concept = concepts[index]
  if (concept === undefined)
    return new Unusable('malformed', `there are ${concepts.length} concepts, none for this passage`)
  if (r.annotation.length !== r.gpt3_sentences.length)
    return new Unusable('malformed', `${r.gpt3_sentences.length} sentences have ${r.annotation.length} annotations`)
  const before = (j: number) =>
    [`This is a Wikipedia passage about ${concept}.`, ...r.gpt3_sentences.slice(0, j)].join(' ')
  const real = sentencesOf(r.wiki_bio_text).slice(0, r.annotation.length)
  const accurate = r.annotation.flatMap((label, j) =>
    label.includes('inaccurate') ? [] : [{ prompt: before(j), sentence: r.gpt3_sentences[j]! }]
  )
  const kept = accurate.map(
    ({ prompt, sentence }): Probe => ({
      ...{ property: 'locality', kind: 'accurate-sentence', prompt },
      ...{ expected: 'same-as-before', gold: sentence }
    })
  )
  return r.annotation.flatMap((label, j) => {
    if (!label.includes('inaccurate')) return []
    const target = real[Math.min(j, real.length - 1)]!
    const made = biography({ prompt: before(j), subject: concept, target }, 0, kept)
    return made instanceof Unusable ? [] : [{ ...made, id: `hallucination-${index}-${j}` }]
  })
}

/** The sentences of a text. NLTK, which GRACE uses, knows more abbreviations. */
const sentencesOf = (passage: string): string[] =>
  [...new Intl.Segmenter('en', { granularity: 'sentence' }).segment(passage)]
    .map((s) => s.segment.trim())
    .filter((s) => s !== '')

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
