import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { present } from '../probes'
import { placeSubject, Unusable } from '../records'
import type { Probe } from '../types'

const text = z.string().trim().min(1)

const record = z.object({
  id: z.union([z.number(), z.string()]).nullish(),
  prompt: text,
  target: text,
  subject: text,
  rephrase: z.string().nullish(),
  locality: z.array(z.object({ loc: z.string(), loc_ans: z.string().nullish() })).nullish()
})

export const qaedit = datasetOfFiles(
  {
    name: 'qaedit',
    title: 'QAEdit',
    source: 'Yang et al. 2025, arXiv 2502.11177',
    license: 'Apache-2.0'
  },
  'github.com/WanliYoung/Revisit-Editing-Evaluation',
  [
    fileLayout({
      name: "QAEdit's records",
      keys: ['prompt', 'target', 'subject', 'rephrase', 'locality'],
      schema: record,
      toCase(r, index) {
        const subjectAt = placeSubject(r.prompt, r.subject)
        if (subjectAt instanceof Unusable) return subjectAt
        return {
          id: `qaedit-${r.id ?? index}`,
          requests: [{ prompt: r.prompt, subject: r.subject, subjectAt, target: r.target }],
          probes: [
            { property: 'accuracy', kind: 'rewrite', prompt: r.prompt, expected: [r.target] },
            ...present([r.rephrase]).map(
              (prompt): Probe => ({ property: 'generality', kind: 'paraphrase', prompt, expected: [r.target] })
            ),
            ...(r.locality ?? []).flatMap(({ loc, loc_ans }) =>
              present([loc]).map((prompt): Probe => {
                const [gold] = present([loc_ans])
                return {
                  property: 'locality',
                  kind: 'unrelated',
                  prompt,
                  expected: 'same-as-before',
                  ...(gold === undefined ? {} : { gold: gold.trim() })
                }
              })
            )
          ]
        }
      }
    })
  ]
)
