import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../harness/errors'
import { changesNothing, oneHopProbe, present, samePartProbes } from '../probes'
import {
  inWorld,
  type Layout,
  layout,
  loadRecords,
  type PlacelessCase,
  parseOptions,
  placeSubject,
  Unusable
} from '../records'
import { snippetsAbout } from '../snippets'
import type { Dataset, EditCase, LoadOptions, Probe } from '../types'
import { generateWorld, worldCounterfact } from '../world'

const text = z.string().trim().min(1)
const optional = z.string().nullish()
const prompts = z.array(z.string().nullable()).nullish()
const target = z.object({ str: text, id: z.string().nullish() })
const portability = z.object({ 'New Question': z.string(), 'New Answer': z.string(), 'Old Answer': optional }).nullish()
const id = z.union([z.number(), z.string()]).nullish()

/** The nested layout of kmeng01/rome, with the additions of Yao et al. (2023). */
const nestedRecord = z.object({
  case_id: id,
  requested_rewrite: z.object({
    // The target brings its own space.
    prompt: z
      .string()
      .transform((p) => p.trim())
      .refine((p) => p.split('{}').length === 2, "must hold '{}' once, where the subject goes"),
    target_new: target,
    target_true: target,
    subject: text,
    relation_id: optional
  }),
  generation_prompts: prompts,
  paraphrase_prompts: prompts,
  neighborhood_prompts: prompts,
  portability,
  alternative_subject: optional,
  distracting_neighborhood_prompts: prompts,
  unrelated_relation: z.object({ question: z.string(), object: z.string() }).nullish(),
  same_first_part_prompts: prompts,
  same_last_part_prompts: prompts
})

/** The flat layout of EasyEdit. */
const flatRecord = z.object({
  case_id: id,
  prompt: text,
  subject: text,
  target_new: text,
  ground_truth: text,
  rephrase_prompt: optional,
  locality_prompt: optional,
  locality_ground_truth: optional,
  portability
})

const NESTED = { name: "kmeng01/rome's nested layout", keys: ['requested_rewrite'], without: ['questions'] }
const FLAT = { name: "EasyEdit's flat layout", keys: ['prompt', 'target_new', 'ground_truth'], without: ['locality'] }

const switches = z.strictObject({
  strict_book_portability: z
    .boolean()
    .default(false)
    .describe("Drop portability questions whose answer is the edit's own target"),
  generation: z
    .boolean()
    .default(false)
    .describe('Let the models write on from generation_prompts, 100 tokens each: fluency and consistency; slow'),
  snippets: z
    .string()
    .optional()
    .describe('attribute_snippets.json of kmeng01/rome, for consistency; the embedded world has its own')
})
type Switches = z.output<typeof switches>

const layouts = (own: Switches): Layout[] => [
  layout({ ...NESTED, schema: nestedRecord, toCase: (r, index) => nestedCase(r, index, own) }),
  layout({ ...FLAT, schema: flatRecord, toCase: (r, index) => flatCase(r, index, own) })
]

export const counterfact: Dataset = {
  name: 'counterfact',
  title: 'CounterFact',
  source: 'Meng et al. 2022, arXiv 2202.05262; additions of Yao et al. 2023, arXiv 2305.13172',
  license: 'MIT',
  measures: ['probability', 'probability-magnitude', 'fluency', 'consistency'],
  layouts: [NESTED, FLAT],

  async *load(source, options) {
    const own = parseOptions('counterfact', switches, options.options)
    if (source === undefined) yield* fromWorld(options, own)
    else yield* loadRecords(source, layouts(withSnippets(own, options.near ?? dirname(source))), options)
  }
}

/** Paths are relative to the data file. */
function withSnippets({ snippets, ...own }: Switches, near: string): Switches {
  if (snippets === undefined) return own
  const file = resolve(near, snippets)
  if (!existsSync(file))
    throw new UserError('no such file of snippets', {
      place: file,
      hint: "'snippets' names attribute_snippets.json of kmeng01/rome, relative to the data file"
    })
  return { ...own, snippets: file }
}

function* fromWorld({ split = 'test', limit }: LoadOptions, switches: Switches): Generator<EditCase> {
  const own = { ...switches, snippets: switches.snippets ?? 'world' }
  const records = worldCounterfact(generateWorld({ seed: 0 }), split).slice(0, limit)
  for (const [i, r] of records.entries()) yield inWorld(nestedCase(nestedRecord.parse(r), i, own), i)
}

const NO_EDIT = (answer: string) => new Unusable('no edit', `the new answer '${answer}' is the old one`)

function nestedCase(r: z.output<typeof nestedRecord>, index: number, own: Switches): PlacelessCase | Unusable {
  const { prompt: template, subject, target_new, target_true } = r.requested_rewrite
  const fill = (name: string) => template.replace('{}', () => name)
  const fact = { next: target_new.str, before: target_true.str }
  if (changesNothing(fact.next, fact.before)) return NO_EDIT(fact.next)
  const { alternative_subject: alias, unrelated_relation: other } = r
  const subjectAt = template.indexOf('{}')
  return {
    id: `counterfact-${r.case_id ?? index}`,
    requests: [{ prompt: fill(subject), subject, subjectAt, target: fact.next, previousTarget: fact.before }],
    probes: [
      rewriteProbe(fill(subject), fact),
      ...present(r.paraphrase_prompts ?? []).map((prompt) => paraphraseProbe(prompt, fact)),
      ...oneHopProbe(r.portability, fact.next, own.strict_book_portability),
      ...(own.strict_book_portability ? [] : present([alias])).map((name) => aliasProbe(fill(name.trim()), fact)),
      ...present(r.neighborhood_prompts ?? []).map((prompt) =>
        unchangedProbe('neighbourhood', prompt, fact.before, fact)
      ),
      ...present(r.distracting_neighborhood_prompts ?? []).map((prompt) =>
        unchangedProbe('distractor', prompt, fact.before)
      ),
      ...present([other?.question]).map((q) => unchangedProbe('other-attribution', q, other!.object)),
      ...samePartProbes(r),
      ...(own.generation ? writtenProbe(r, own.snippets) : [])
    ]
  }
}

/** What the model writes about the subject, beside texts about others that have what it is given. */
function writtenProbe(r: z.output<typeof nestedRecord>, snippets: string | undefined): Probe[] {
  const starts = present(r.generation_prompts ?? [])
  if (starts.length === 0) return []
  const { relation_id: relation, target_new } = r.requested_rewrite
  const texts =
    snippets === undefined || !relation || !target_new.id ? [] : snippetsAbout(snippets, relation, target_new.id)
  return [
    {
      property: 'generality',
      kind: 'generation',
      prompt: starts[0]!,
      expected: [target_new.str],
      writes: { prompts: starts, ...(texts.length === 0 ? {} : { like: { texts, among: snippets! } }) }
    }
  ]
}

function flatCase(r: z.output<typeof flatRecord>, index: number, own: Switches): PlacelessCase | Unusable {
  const subjectAt = placeSubject(r.prompt, r.subject)
  if (subjectAt instanceof Unusable) return subjectAt
  const fact = { next: r.target_new, before: r.ground_truth }
  if (changesNothing(fact.next, fact.before)) return NO_EDIT(fact.next)
  const gold = r.locality_ground_truth ?? fact.before
  return {
    id: `counterfact-${r.case_id ?? index}`,
    requests: [{ prompt: r.prompt, subject: r.subject, subjectAt, target: fact.next, previousTarget: fact.before }],
    probes: [
      rewriteProbe(r.prompt, fact),
      ...present([r.rephrase_prompt]).map((prompt) => paraphraseProbe(prompt, fact)),
      ...oneHopProbe(r.portability, fact.next, own.strict_book_portability),
      ...present([r.locality_prompt]).map((prompt) =>
        // Compared in probability as well, when its own answer is the one that must not become the new target.
        unchangedProbe('neighbourhood', prompt, gold, gold === fact.before ? fact : undefined)
      )
    ]
  }
}

interface Fact {
  readonly next: string
  readonly before: string
}

const edited = ({ next, before }: Fact) => ({ expected: [next], compare: { better: next, worse: before } })

const rewriteProbe = (prompt: string, fact: Fact): Probe => ({
  property: 'accuracy',
  kind: 'rewrite',
  prompt,
  ...edited(fact)
})

const paraphraseProbe = (prompt: string, fact: Fact): Probe => ({
  property: 'generality',
  kind: 'paraphrase',
  prompt,
  ...edited(fact)
})

const aliasProbe = (prompt: string, { next, before }: Fact): Probe => ({
  property: 'portability',
  kind: 'subject-alias',
  prompt,
  expected: [next],
  needs: { prompt, expected: [before] }
})

function unchangedProbe(kind: string, prompt: string, gold: string, fact?: Fact): Probe {
  const compare = fact === undefined ? {} : { compare: { better: fact.before, worse: fact.next } }
  return { property: 'locality', kind, prompt, expected: 'same-as-before', gold, ...compare }
}
