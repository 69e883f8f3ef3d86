import { z } from 'zod'
import { oneHopProbe } from '../probes'
import { loadRecords, parseOptions } from '../records'
import type { Dataset, EditCase, LoadOptions, Probe } from '../types'
import { generateWorld, worldCounterfact } from '../world'

const text = z.string().trim().min(1)
const target = z.object({ str: text, id: z.string().optional() })
const portability = z.object({ 'New Question': z.string(), 'New Answer': z.string() })

/** The nested layout of kmeng01/rome, with the additions of Yao et al. (2023). */
const nestedRecord = z.object({
  case_id: z.number().int(),
  requested_rewrite: z.object({
    prompt: z.string().refine((p) => p.split('{}').length === 2, "must hold '{}' once, where the subject goes"),
    target_new: target,
    target_true: target,
    subject: text
  }),
  paraphrase_prompts: z.array(z.string()),
  neighborhood_prompts: z.array(z.string()),
  portability: portability.optional(),
  alternative_subject: z.string().optional(),
  distracting_neighborhood_prompts: z.array(z.string()).optional(),
  unrelated_relation: z.object({ question: z.string(), object: z.string() }).optional()
})

/** The flat layout of EasyEdit. */
const flatRecord = z.object({
  case_id: z.number().int(),
  prompt: text,
  subject: text,
  target_new: text,
  ground_truth: text,
  rephrase_prompt: z.string().optional(),
  locality_prompt: z.string().optional(),
  locality_ground_truth: z.string().optional(),
  portability: portability.optional()
})

/** What the two layouts have in common decides which one a record is meant to be. */
const record = z
  .looseObject({})
  .transform((value, context): z.output<typeof nestedRecord> | z.output<typeof flatRecord> => {
    const parsed = ('requested_rewrite' in value || !('target_new' in value) ? nestedRecord : flatRecord).safeParse(
      value
    )
    if (parsed.success) return parsed.data
    context.issues.push({ ...parsed.error.issues[0]!, input: value } as never)
    return z.NEVER
  })

const switches = z.strictObject({
  strict_book_portability: z
    .boolean()
    .default(false)
    .describe("Drop portability questions whose answer is the edit's own target")
})
type Switches = z.output<typeof switches>

export const counterfact: Dataset = {
  name: 'counterfact',
  title: 'CounterFact',
  source: 'Meng et al. 2022, arXiv 2202.05262; additions of Yao et al. 2023, arXiv 2305.13172',
  license: 'MIT',
  measure: { name: 'exact match, and probability comparison', comparesProbabilities: true },

  async *load(source, options) {
    const own = parseOptions('counterfact', switches, options.options)
    if (source === undefined) yield* fromWorld(options, own)
    else yield* loadRecords(source, record, options, (r) => toCase(r, own))
  }
}

function* fromWorld({ split = 'test', limit }: LoadOptions, own: Switches): Generator<EditCase> {
  for (const r of worldCounterfact(generateWorld({ seed: 0 }), split).slice(0, limit))
    yield toCase(record.parse(r), own) as EditCase
}

function toCase(r: z.output<typeof record>, own: Switches): EditCase | string {
  return 'requested_rewrite' in r ? nestedCase(r, own) : flatCase(r, own)
}

function nestedCase(r: z.output<typeof nestedRecord>, own: Switches): EditCase {
  const { prompt: template, subject, target_new, target_true } = r.requested_rewrite
  const fill = (name: string) => template.replace('{}', () => name)
  const fact = { next: target_new.str, before: target_true.str }
  const { alternative_subject: alias, unrelated_relation: other } = r
  return {
    id: `counterfact-${r.case_id}`,
    request: { prompt: fill(subject), subject, target: fact.next, previousTarget: fact.before },
    probes: [
      rewriteProbe(fill(subject), fact),
      ...present(r.paraphrase_prompts).map((prompt) => paraphraseProbe(prompt, fact)),
      ...oneHopProbe(r.portability, fact.next, own.strict_book_portability),
      ...(alias === undefined || own.strict_book_portability ? [] : [aliasProbe(fill(alias.trim()), fact)]),
      ...present(r.neighborhood_prompts).map((prompt) => unchangedProbe('neighbourhood', prompt, fact.before, fact)),
      ...present(r.distracting_neighborhood_prompts ?? []).map((prompt) =>
        unchangedProbe('distractor', prompt, fact.before)
      ),
      ...(other === undefined
        ? []
        : present([other.question]).map((q) => unchangedProbe('other-attribution', q, other.object)))
    ]
  }
}

function flatCase(r: z.output<typeof flatRecord>, own: Switches): EditCase | string {
  if (!r.prompt.includes(r.subject)) return `the subject '${r.subject}' is not in the prompt '${r.prompt}'`
  const fact = { next: r.target_new, before: r.ground_truth }
  const gold = r.locality_ground_truth ?? fact.before
  return {
    id: `counterfact-${r.case_id}`,
    request: { prompt: r.prompt, subject: r.subject, target: fact.next, previousTarget: fact.before },
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

const aliasProbe = (prompt: string, { next }: Fact): Probe => ({
  property: 'portability',
  kind: 'subject-alias',
  prompt,
  expected: [next]
})

function unchangedProbe(kind: string, prompt: string, gold: string, fact?: Fact): Probe {
  const compare = fact === undefined ? {} : { compare: { better: fact.before, worse: fact.next } }
  return { property: 'locality', kind, prompt, expected: 'same-as-before', gold, ...compare }
}

/** Prompts that say something, without trailing spaces: the target brings its own. */
const present = (prompts: readonly (string | undefined)[]): string[] =>
  prompts.flatMap((p) => (p === undefined || p.trim() === '' ? [] : [p.trimEnd()]))
