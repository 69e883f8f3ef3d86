import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../harness/errors'
import { changesNothing, present, sameText } from '../probes'
import { inWorld, type Layout, layout, loadRecords, type PlacelessCase, parseOptions, Unusable } from '../records'
import type { Dataset, EditCase, LoadOptions, Probe } from '../types'
import { generateWorld, type MquakeRecord, worldMquake } from '../world'

const text = z.string().trim().min(1)
const id = z.union([z.number(), z.string()]).nullish()
const aliases = z.array(z.string()).nullish()
const target = z.object({ str: text })
const triples = z.array(z.array(z.string())).nullish()
const hop = z.object({ question: text, cloze: text, answer: text, answer_alias: aliases })
const slot = text.refine((p) => p.split('{}').length === 2, "must hold '{}' once, where the subject goes")

/** What both layouts share: princeton-nlp's, and MQuAKE-Remastered's rows, whose targets are flat. */
const shared = {
  case_id: id,
  questions: z.array(text).min(1),
  answer: text,
  answer_alias: aliases,
  /** MQuAKE-T: further answers that are right before the edit. */
  answer_extended: z.union([aliases, z.string()]),
  new_answer: text,
  new_answer_alias: aliases,
  new_single_hops: z.array(hop).nullish(),
  /** Where the relations of hops are: at the top, or within. */
  new_triples: triples,
  orig: z.object({ new_triples: triples }).nullish(),
  /** MQuAKE-Remastered: which instances are edited when so many are. */
  split: z.record(z.string(), z.array(z.string())).nullish()
}
const rewrite = { prompt: slot, subject: text }

const officialRecord = z.object({
  ...shared,
  requested_rewrite: z.array(z.object({ ...rewrite, target_new: target, target_true: target })).min(1)
})
const flatRecord = z.object({
  ...shared,
  requested_rewrite: z.array(z.object({ ...rewrite, target_new_str: text, target_true_str: text })).min(1)
})

const KEYS = ['requested_rewrite', 'questions', 'new_answer']
const OFFICIAL = { name: "princeton-nlp/MQuAKE's layout", keys: KEYS }
const REMASTERED = { name: 'the rows of MQuAKE-Remastered on Hugging Face', keys: [...KEYS, 'new_triples'] }

const switches = z.strictObject({
  prompting: z
    .enum(['direct', 'few-shot', 'chain-of-thought'])
    .default('direct')
    .describe(
      'How multi-hop questions are asked: alone, or after the demonstrations of a file, with thoughts or without'
    ),
  prompts: z
    .string()
    .optional()
    .describe(
      'The demonstrations of princeton-nlp/MQuAKE, prompts/multihop-prompts.txt or multihop-cot-prompts.txt, relative to the data file; the embedded world makes its own'
    ),
  hop_prompts: z
    .string()
    .optional()
    .describe(
      'Demonstrations by relation for hops that are not edited, prompts/rel-prompts.json, relative to the data file; without it they are asked alone'
    ),
  edited: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      "MQuAKE-Remastered: the instances that its 'split' calls edited when so many are; the others are asked for the old answer under the same edit"
    )
})
type Switches = z.output<typeof switches>

/** What stands before questions. */
interface Prompting {
  readonly style: Switches['prompting']
  readonly demonstrations: string
  readonly ofRelation: Readonly<Record<string, string>>
  /** How many instances are edited, of those that are asked; all when missing. */
  readonly edited?: number | undefined
}

export const mquake: Dataset = {
  name: 'mquake',
  title: 'MQuAKE',
  source: 'Zhong et al. 2023, arXiv 2305.14795; MQuAKE-Remastered, ICLR 2025',
  license: 'MIT; MQuAKE-Remastered CC BY 4.0',
  measures: ['instance-wise', 'multi-hop-mean'],
  layouts: [OFFICIAL, REMASTERED],

  async *load(source, options) {
    const own = parseOptions('mquake', switches, options.options)
    if (source === undefined) yield* fromWorld(options, own)
    else yield* loadRecords(source, layouts(promptingOf(own, options.near ?? dirname(source))), options)
  }
}

const layouts = (prompting: Prompting): Layout[] => [
  layout({
    ...REMASTERED,
    schema: flatRecord,
    toCase: (r, index) =>
      toCase(
        {
          ...r,
          requested_rewrite: r.requested_rewrite.map(({ target_new_str, target_true_str, ...more }) => ({
            ...more,
            target_new: { str: target_new_str },
            target_true: { str: target_true_str }
          }))
        },
        index,
        prompting
      )
  }),
  layout({ ...OFFICIAL, schema: officialRecord, toCase: (r, index) => toCase(r, index, prompting) })
]

/** @throws UserError when a file of demonstrations is missing or is none */
function promptingOf({ prompting: style, prompts, hop_prompts, edited }: Switches, dir: string): Prompting {
  const read = (key: string, file: string): string => {
    const path = resolve(dir, file)
    if (existsSync(path)) return readFileSync(path, 'utf8').trim()
    throw new UserError(`${key}: no such file`, {
      place: path,
      hint: 'it is in the folder prompts/ of github.com/princeton-nlp/MQuAKE'
    })
  }
  if (style !== 'direct' && prompts === undefined) {
    throw new UserError(`prompting '${style}' needs demonstrations`, {
      place: 'options of mquake',
      hint: "'prompts' names their file: prompts/multihop-prompts.txt or prompts/multihop-cot-prompts.txt of github.com/princeton-nlp/MQuAKE"
    })
  }
  return {
    style,
    edited,
    demonstrations: style === 'direct' ? '' : read('prompts', prompts!),
    ofRelation: hop_prompts === undefined ? {} : demonstrationsByRelation(read('hop_prompts', hop_prompts), hop_prompts)
  }
}

function demonstrationsByRelation(content: string, file: string): Record<string, string> {
  try {
    return z.record(z.string(), z.string()).parse(JSON.parse(content))
  } catch {
    throw new UserError('hop_prompts: expected is an object from relation ids to demonstrations', { place: file })
  }
}

function* fromWorld({ split = 'test', limit }: LoadOptions, own: Switches): Generator<EditCase> {
  const world = generateWorld({ seed: 0 })
  const prompting = worldPrompting(own.prompting, worldMquake(world, split === 'test' ? 'train' : 'test'))
  const records = worldMquake(world, split).slice(0, limit)
  for (const [i, r] of records.entries()) yield inWorld(toCase(officialRecord.parse(r), i, prompting), i)
}

/** Demonstrations of the world, from the half that is not asked. */
function worldPrompting(style: Switches['prompting'], others: readonly MquakeRecord[]): Prompting {
  // Small models have few positions.
  const shown = others.slice(0, 2)
  const lines = shown.map(({ questions: [q], answer, single_hops: hops }) =>
    style === 'few-shot'
      ? `Q: ${q} A: ${answer}`
      : `Question: ${q}\nThoughts: ${hops.map((h) => `${h.cloze} ${h.answer}.`).join(' ')}\nAnswer: ${answer}`
  )
  const demonstrations = style === 'direct' ? '' : lines.join(style === 'few-shot' ? '\n' : '\n\n')
  return { style, demonstrations, ofRelation: {} }
}

type Instance = z.output<typeof officialRecord>

/** What `split` calls an instance that is edited: CF-6334 tells those apart that methods may learn from. */
const EDITED: readonly string[] = ['edited', 'train_edited', 'test_edited']

/** CF-6334 asks for old answers in its test half alone (MQuAKE-Remastered, mquake_dataset.py). */
const isLeftOut = ({ split }: Instance, labels: readonly string[]): boolean =>
  Object.values(split ?? {}).some((all) => all.some((label) => /^(train|test)_/.test(label))) &&
  !labels.some((label) => EDITED.includes(label) || label === 'test_unedited')

function toCase(r: Instance, index: number, prompting: Prompting): PlacelessCase | Unusable {
  const edits = r.requested_rewrite.map(({ prompt, subject, target_new, target_true }) => ({
    prompt: prompt.replace('{}', () => subject),
    subject,
    subjectAt: prompt.indexOf('{}'),
    target: target_new.str,
    previousTarget: target_true.str
  }))
  if (edits.every((e) => changesNothing(e.target, e.previousTarget)))
    return new Unusable('no edit', `the new answer '${edits[0]!.target}' is the old one`)
  const answers = (answer: string, more: readonly (string | null | undefined)[] | string | null | undefined) => [
    ...new Set(present([answer, ...(typeof more === 'string' ? [more] : (more ?? []))]).map((a) => a.trim()))
  ]
  const before = [...answers(r.answer, r.answer_alias), ...answers(r.answer, r.answer_extended)]
  const about = {
    id: `mquake-${r.case_id ?? index}`,
    requests: edits as [(typeof edits)[number], ...typeof edits]
  }
  const split = prompting.edited === undefined ? undefined : r.split?.[prompting.edited]
  if (prompting.edited !== undefined && split === undefined)
    return new Unusable('malformed', `its 'split' does not say what is edited when ${prompting.edited} are`)
  if (split !== undefined && isLeftOut(r, split))
    return new Unusable('no edit', `its 'split' neither edits nor asks it when ${prompting.edited} are edited`)
  if (split?.some((label) => EDITED.includes(label)) === false) {
    const stays = r.questions.map(
      (question): Probe => ({
        property: 'locality',
        kind: 'unedited',
        ...asked(question, prompting),
        expected: [...new Set(before)],
        anyOf: 'questions'
      })
    )
    return { ...about, unedited: true, probes: stays }
  }
  return {
    ...about,
    probes: [
      // Edit-wise: the cloze alone.
      ...edits.map(
        ({ prompt, target }): Probe => ({ property: 'accuracy', kind: 'rewrite', prompt, expected: [target] })
      ),
      ...r.questions.map(
        (question): Probe => ({
          property: 'portability',
          kind: 'multi-hop',
          ...asked(question, prompting),
          expected: answers(r.new_answer, r.new_answer_alias),
          anyOf: 'questions',
          needs: { prompt: asked(question, prompting).prompt, expected: [...new Set(before)] }
        })
      ),
      // Instance-wise accuracy asks the other hops too; that they stay as they were is locality.
      ...(r.new_single_hops ?? []).flatMap(({ question, cloze, answer, answer_alias }, i): Probe[] => {
        if (edits.some((e) => sameText(e.prompt, cloze))) return []
        const relation = (r.orig?.new_triples ?? r.new_triples)?.[i]?.[1]
        const demonstrations = relation === undefined ? undefined : prompting.ofRelation[relation]
        return [
          {
            property: 'locality',
            kind: 'hop',
            prompt: demonstrations === undefined ? question : `${demonstrations}\nQ: ${question} A:`,
            expected: 'same-as-before',
            gold: answer,
            truth: answers(answer, answer_alias)
          }
        ]
      })
    ]
  }
}

/** A multi-hop question as it is put to a model, and after which words of its own it answers. */
function asked(question: string, { style, demonstrations }: Prompting): Pick<Probe, 'prompt' | 'answersAfter'> {
  if (style === 'direct') return { prompt: question }
  if (style === 'few-shot') return { prompt: `${demonstrations}\nQ: ${question} A:` }
  return { prompt: `${demonstrations}\n\nQuestion: ${question}\nThoughts:`, answersAfter: 'Answer:' }
}
