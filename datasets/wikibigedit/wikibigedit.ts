import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { present } from '../probes'
import { placeSubject, Unusable } from '../records'
import type { Probe } from '../types'

const text = z.string().trim().min(1)
const optional = z.string().nullish()

const record = z.object({
  tag: optional,
  subject: text,
  update: text,
  ans: text,
  rephrase: optional,
  personas: optional,
  loc: optional,
  loc_ans: optional,
  mhop: optional,
  mhop_ans: optional
})

export const wikibigedit = datasetOfFiles(
  {
    name: 'wikibigedit',
    title: 'WikiBigEdit',
    source: 'Thede et al. 2025, arXiv 2503.05683',
    license: 'Apache-2.0'
  },
  'huggingface.co/datasets/lukasthede/WikiBigEdit',
  [
    fileLayout({
      name: "WikiBigEdit's records",
      keys: ['update', 'ans', 'subject', 'rephrase'],
      schema: record,
      toCase(r, index) {
        const subjectAt = placeSubject(r.update, r.subject)
        if (subjectAt instanceof Unusable) return subjectAt
        const again = (kind: string, prompt: string | null | undefined) =>
          present([prompt]).map((p): Probe => ({ property: 'generality', kind, prompt: p, expected: [r.ans] }))
        const [hop, gold] = [present([r.mhop_ans])[0]?.trim(), present([r.loc_ans])[0]?.trim()]
        return {
          id: `wikibigedit-${index}`,
          requests: [{ prompt: r.update, subject: r.subject, subjectAt, target: r.ans }],
          probes: [
            { property: 'accuracy', kind: 'rewrite', prompt: r.update, expected: [r.ans] },
            ...again('paraphrase', r.rephrase),
            ...again('persona', r.personas),
            ...(hop === undefined ? [] : present([r.mhop])).map(
              (prompt): Probe => ({ property: 'portability', kind: 'multi-hop', prompt, expected: [hop!] })
            ),
            ...present([r.loc]).map(
              (prompt): Probe => ({
                property: 'locality',
                kind: 'neighbourhood',
                prompt,
                expected: 'same-as-before',
                ...(gold === undefined ? {} : { gold, truth: [gold] })
              })
            )
          ]
        }
      }
    })
  ]
)
