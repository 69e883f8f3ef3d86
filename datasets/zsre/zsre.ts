import { z } from 'zod'
import { findSubject } from '../../harness/edit'
import { type Random, randomStream } from '../../harness/random'
import { knoweditCase, knoweditRecord } from '../knowedit'
import { changesNothing, oneHopProbe, present, samePartProbes, sameText } from '../probes'
import { inWorld, layout, loadRecords, type PlacelessCase, parseOptions, placeSubject, Unusable } from '../records'
import type { Dataset, EditCase, LoadOptions, Probe } from '../types'
import { sharedWords } from '../words'
import { generateWorld, worldZsre } from '../world'

const text = z.string().trim().min(1)
const optional = z.string().nullish()
const prompts = z.array(z.string().nullable()).nullish()

/** The layout that MEND flattened zsRE to, with the additions of Yao et al. (2023), whose keys have spaces. */
const record = z.object({
  subject: text,
  src: text,
  rephrase: optional,
  alt: z.string(),
  answers: z.array(z.string()).min(1),
  loc: optional,
  loc_ans: optional,
  portability: z.object({ 'New Question': z.string(), 'New Answer': z.string(), 'Old Answer': optional }).nullish(),
  'inverse question': optional,
  alter_subject_question: optional,
  same_first_part_prompts: prompts,
  same_last_part_prompts: prompts
})
const MEND = { name: "MEND's layout", keys: ['src', 'alt', 'answers'] }
const KNOWEDIT = { name: "KnowEdit's ZsRE", keys: ['prompt', 'target_new', 'ground_truth', 'locality', 'cond'] }
const KILT = { name: 'KILT-style records', keys: ['input', 'output', 'alternatives'] }

/** KnowledgeEditor's and MEND's JSON Lines. The subject is not said. */
const kiltRecord = z.object({
  id: z.union([z.string(), z.number()]).nullish(),
  input: text,
  output: z.array(z.object({ answer: z.string().nullish() })).min(1),
  prediction: optional,
  alternatives: z.array(z.string()),
  filtered_rephrases: prompts,
  rephrases: prompts,
  /** Of KILT, where it was kept. */
  meta: z.object({ sub_surface: z.array(z.string()).nullish() }).nullish()
})

const switches = z.strictObject({
  target: z
    .enum(['alt', 'answer'])
    .default('alt')
    .describe(
      'What is written: the alternative answer (EasyEdit, MEND) or the true one (ROME, MEMIT), for which the files ask no consequences; never mix them'
    ),
  strict_book_portability: z
    .boolean()
    .default(false)
    .describe("Drop portability questions whose answer is the edit's own target")
})
type Switches = z.output<typeof switches>

export const zsre: Dataset = {
  name: 'zsre',
  title: 'zsRE',
  source:
    'Levy et al. 2017, arXiv 1706.04115; as flattened by MEND (Mitchell et al. 2022), additions of Yao et al. 2023',
  license: 'no explicit licence; repositories MIT',
  measures: [],

  layouts: [MEND, KNOWEDIT, KILT],

  async *load(source, options) {
    const own = parseOptions('zsre', switches, options.options)
    if (source === undefined) yield* fromWorld(options, own)
    else {
      const mend = layout({ ...MEND, schema: record, toCase: (r, index) => toCase(r, index, own) })
      const knowedit = layout({
        ...KNOWEDIT,
        schema: knoweditRecord,
        toCase: (r, index) => knoweditCase(r, `zsre-${index}`, own.strict_book_portability)
      })
      const kilt = layout({
        ...KILT,
        schema: kiltRecord,
        toCase: (r, index) => kiltCase(r, index, own, randomStream(options.seed, 'zsre/alternative', index))
      })
      yield* loadRecords(source, [mend, knowedit, kilt], options)
    }
  }
}

function* fromWorld({ split = 'test', limit }: LoadOptions, own: Switches): Generator<EditCase> {
  const records = worldZsre(generateWorld({ seed: 0 }), split).slice(0, limit)
  for (const [i, r] of records.entries()) yield inWorld(toCase(record.parse(r), i, own), i)
}

function toCase(r: z.output<typeof record>, index: number, own: Switches): PlacelessCase | Unusable {
  const bad = (reason: string) => new Unusable('malformed', reason)
  const truth = r.answers[0]!.trim()
  const alternative = own.target === 'alt'
  const target = alternative ? r.alt.trim() : truth
  if (target === '') return bad(`'${alternative ? 'alt' : 'answers.0'}' is empty: there is nothing to write`)
  const subjectAt = placeSubject(r.src, r.subject)
  if (subjectAt instanceof Unusable) return subjectAt
  if (alternative && changesNothing(target, truth))
    return new Unusable('no edit', `the new answer '${target}' is the old one`)
  const strict = own.strict_book_portability
  // What follows from the edit is asked for the alternative answer alone.
  const consequences = alternative
    ? [
        // The answer is not stored: whoever has the new object is the subject.
        ...(strict && sameText(r.subject, target) ? [] : present([r['inverse question']])).map(
          (prompt): Probe => ({
            property: 'portability',
            kind: 'inverse',
            prompt,
            expected: [r.subject],
            // Whether the model can turn the fact around that it knows.
            ...(prompt.split(target).length === 2
              ? { needs: { prompt: prompt.replace(target, () => truth), expected: [r.subject] } }
              : {})
          })
        ),
        ...oneHopProbe(r.portability, target, strict)
      ]
    : []
  const gold = present([r.loc_ans])[0]?.trim()
  return {
    id: `zsre-${index}`,
    requests: [
      {
        prompt: r.src,
        subject: r.subject,
        subjectAt,
        target,
        // What the model says before is not the true answer, where that is what it is taught.
        ...(alternative ? { previousTarget: truth } : {})
      }
    ],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt: r.src, expected: [target] },
      ...present([r.rephrase]).map(
        (prompt): Probe => ({ property: 'generality', kind: 'paraphrase', prompt, expected: [target] })
      ),
      ...(strict ? [] : present([r.alter_subject_question])).map(
        (prompt): Probe => ({
          property: 'portability',
          kind: 'subject-alias',
          prompt,
          expected: [target],
          ...(alternative ? { needs: { prompt, expected: r.answers.map((a) => a.trim()) } } : {})
        })
      ),
      ...consequences,
      ...present([r.loc]).map(
        (prompt): Probe => ({
          property: 'locality',
          kind: 'unrelated',
          prompt,
          expected: 'same-as-before',
          ...(gold === undefined ? {} : { gold })
        })
      ),
      ...samePartProbes(r)
    ]
  }
}

/** As MEND reads it: one of the alternatives is drawn as the target; records without rephrasings are left out there and here. */
function kiltCase(
  r: z.output<typeof kiltRecord>,
  index: number,
  own: Switches,
  random: Random
): PlacelessCase | Unusable {
  const bad = (reason: string) => new Unusable('malformed', reason)
  const answers = present(r.output.map((o) => o.answer)).map((a) => a.trim())
  const [truth] = answers
  if (truth === undefined) return bad("'output' holds no answer")
  const rephrases = present(r.filtered_rephrases ?? r.rephrases ?? []).filter((p) => p !== r.input)
  if (rephrases.length === 0) return bad("'filtered_rephrases' holds none but the question itself")
  const alternatives = present(r.alternatives).map((a) => a.trim())
  if (own.target === 'alt' && alternatives.length === 0)
    return bad("'alternatives' is empty: there is nothing to write")
  const target = own.target === 'alt' ? random.pick(alternatives) : truth
  if (own.target === 'alt' && changesNothing(target, truth))
    return new Unusable('no edit', `the new answer '${target}' is the old one`)
  const named = present(r.meta?.sub_surface ?? []).find((name) => findSubject(r.input, name) !== undefined)
  const subject = named ?? sharedWords(r.input, rephrases)
  if (subject === undefined)
    return bad(`the question '${r.input}' and its rephrasings have no words in common: its subject is not known`)
  return {
    id: `zsre-${r.id ?? index}`,
    requests: [{ prompt: r.input, subject, target, ...(own.target === 'alt' ? { previousTarget: truth } : {}) }],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt: r.input, expected: [target] },
      ...rephrases.map((prompt): Probe => ({ property: 'generality', kind: 'paraphrase', prompt, expected: [target] }))
    ]
  }
}
