import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import { UserError } from '../../harness/errors'
import { datasetOfFiles, fileLayout } from '../from-files'
import { poolOf } from '../pool'
import { type PlacelessCase, Unusable } from '../records'
import type { Probe } from '../types'

const text = z.string().trim().min(1)

const record = z.object({
  ex_id: z.string(),
  definition: text,
  def_target: text,
  ent_str: text,
  probe_sentences: z.record(
    z.string(),
    z.object({ probe_sentence: text, label: z.string().nullish(), labels: z.array(text).nullish() })
  ),
  /** Of entity inferences, beside the candidates of each sentence. */
  label: z.string().nullish()
})
type Ecbd = z.output<typeof record>

const GAP = '<extra_id_0>'

/** What stands before the gap, and what fills it; undefined where nothing stands before it, which has no left to right answer. */
function cloze(sentence: string, label: string): { prompt: string; span: string } | undefined {
  const at = sentence.indexOf(GAP)
  const prompt = sentence.slice(0, Math.max(0, at)).trim()
  const span = label.replace(GAP, '').replace('<extra_id_1>', '').trim()
  return at < 0 || prompt === '' || span === '' ? undefined : { prompt, span }
}

const switches = z.strictObject({
  specificity: z
    .string()
    .optional()
    .describe(
      'specificity_popular_20np_20random.json, relative to the data file: sentences about others, whose perplexity must stay'
    )
})

export const ecbd = datasetOfFiles(
  {
    name: 'ecbd',
    title: 'ECBD',
    source: 'Onoe et al. 2023, arXiv 2305.01651; Onoe et al. 2022, arXiv 2205.02832',
    license: 'not stated',
    measures: ['total-perplexity', 'label-accuracy']
  },
  'github.com/yasumasaonoe/entity_knowledge_propagation, data',
  [
    fileLayout({
      name: "ECBD's records",
      keys: ['ex_id', 'definition', 'def_target', 'ent_str', 'probe_sentences'],
      schema: record,
      toCase(r, _, others: readonly Probe[]): PlacelessCase | Unusable {
        const edit = cloze(r.definition, r.def_target)
        if (edit === undefined) return new Unusable('malformed', 'nothing stands before the gap of the definition')
        const asked = Object.values(r.probe_sentences).flatMap((sentence) => probesOf(r, sentence))
        if (asked.length === 0)
          return new Unusable('malformed', 'no sentence has something before its gap and something to fill it')
        return {
          id: `ecbd-${r.ex_id}`,
          requests: [{ prompt: edit.prompt, subject: subjectOf(r, edit.prompt), target: edit.span }],
          probes: [
            { property: 'accuracy', kind: 'definition', prompt: edit.prompt, expected: [edit.span] },
            ...asked,
            ...others
          ]
        }
      }
    })
  ],
  switches,
  ({ specificity }, { near }) => (specificity === undefined ? [] : othersIn(resolve(near, specificity)))
)

/** The name as it stands before the gap, else the title, else all of it. */
const subjectOf = ({ ent_str, ex_id }: Ecbd, prompt: string): string =>
  [ent_str, ex_id.replace(/(_\d+){1,3}$/, '')].find((name) => prompt.includes(name)) ?? prompt

function probesOf({ label: top }: Ecbd, { probe_sentence, label, labels }: Ecbd['probe_sentences'][string]): Probe[] {
  const found = cloze(probe_sentence, label ?? top ?? '')
  if (found === undefined) return []
  const { prompt, span } = found
  const texts = (labels ?? []).map((l) => l.replace(GAP, '').replace('<extra_id_1>', '').trim())
  const right = texts.indexOf(span)
  return [
    {
      property: 'portability',
      kind: 'propagation',
      prompt,
      expected: [span],
      ...(right < 0 ? {} : { choices: { texts, right } })
    }
  ]
}

function othersIn(file: string): Probe[] {
  if (!existsSync(file)) throw new UserError('no such file of sentences about others', { place: file })
  return poolOf(file, record, (r) =>
    Object.values(r.probe_sentences).flatMap(({ probe_sentence, label }) => {
      const found = cloze(probe_sentence, label ?? '')
      if (found === undefined) return []
      return [
        {
          property: 'locality',
          kind: 'popular-entity',
          prompt: found.prompt,
          expected: 'same-as-before',
          gold: found.span
        } as const
      ]
    })
  )
}
