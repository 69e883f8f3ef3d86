import { z } from 'zod'
import { oneHopProbe, sameText } from '../probes'
import { loadRecords, parseOptions } from '../records'
import type { Dataset, EditCase, LoadOptions, Probe } from '../types'
import { generateWorld, worldZsre } from '../world'

const text = z.string().trim().min(1)

/** The layout that MEND flattened zsRE to, with the additions of Yao et al. (2023), whose keys have spaces. */
const record = z.object({
  subject: text,
  src: text,
  rephrase: z.string().optional(),
  alt: z.string(),
  answers: z.array(z.string()).min(1),
  loc: z.string().optional(),
  loc_ans: z.string().optional(),
  portability: z.object({ 'New Question': z.string(), 'New Answer': z.string() }).optional(),
  'inverse question': z.string().optional(),
  alternative_subject: z.string().optional(),
  alter_subject_question: z.string().optional()
})

const switches = z.strictObject({
  target: z
    .enum(['alt', 'answer'])
    .default('alt')
    .describe('What is written: the alternative answer (EasyEdit, MEND) or the true one (ROME, MEMIT); never mix them'),
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
  measure: { name: 'exact match', comparesProbabilities: false },

  async *load(source, options) {
    const own = parseOptions('zsre', switches, options.options)
    if (source === undefined) yield* fromWorld(options, own)
    else yield* loadRecords(source, record, options, (r, index) => toCase(r, index, own))
  }
}

function* fromWorld({ split = 'test', limit }: LoadOptions, own: Switches): Generator<EditCase> {
  const records = worldZsre(generateWorld({ seed: 0 }), split).slice(0, limit)
  for (const [i, r] of records.entries()) yield toCase(record.parse(r), i, own) as EditCase
}

function toCase(r: z.output<typeof record>, index: number, own: Switches): EditCase | string {
  const truth = r.answers[0]!.trim()
  const target = own.target === 'alt' ? r.alt.trim() : truth
  if (target === '') return `'${own.target === 'alt' ? 'alt' : 'answers.0'}' is empty: there is nothing to write`
  if (!r.src.includes(r.subject)) return `the subject '${r.subject}' is not in the question '${r.src}'`
  const strict = own.strict_book_portability
  return {
    id: `zsre-${index}`,
    request: { prompt: r.src, subject: r.subject, target, previousTarget: truth },
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt: r.src, expected: [target] },
      ...asked(r.rephrase).map(
        (prompt): Probe => ({ property: 'generality', kind: 'paraphrase', prompt, expected: [target] })
      ),
      ...(strict ? [] : asked(r.alter_subject_question)).map(
        (prompt): Probe => ({ property: 'portability', kind: 'subject-alias', prompt, expected: [target] })
      ),
      // The answer is not stored: whoever has the new object is the subject.
      ...(strict && sameText(r.subject, target) ? [] : asked(r['inverse question'])).map(
        (prompt): Probe => ({ property: 'portability', kind: 'inverse', prompt, expected: [r.subject] })
      ),
      ...oneHopProbe(r.portability, target, strict),
      ...asked(r.loc).map(
        (prompt): Probe => ({
          property: 'locality',
          kind: 'unrelated',
          prompt,
          expected: 'same-as-before',
          ...(r.loc_ans === undefined || r.loc_ans.trim() === '' ? {} : { gold: r.loc_ans.trim() })
        })
      )
    ]
  }
}

const asked = (question: string | undefined): string[] =>
  question === undefined || question.trim() === '' ? [] : [question.trimEnd()]
