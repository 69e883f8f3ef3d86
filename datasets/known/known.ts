import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { placeSubject, Unusable } from '../records'

const text = z.string().trim().min(1)

/** A fact that GPT-2 XL knows: what to trace. There is nothing to write; the request is what is true already. */
const record = z.object({ known_id: z.number(), subject: text, attribute: text, prompt: text })

export const known = datasetOfFiles(
  {
    name: 'known',
    title: 'Known facts',
    source: 'Meng et al. 2022, arXiv 2202.05262',
    license: 'MIT'
  },
  'rome.baulab.info/data/dsets/known_1000.json',
  [
    fileLayout({
      name: 'known_1000.json of kmeng01/rome',
      keys: ['known_id', 'subject', 'attribute', 'prompt'],
      schema: record,
      toCase(r) {
        const subjectAt = placeSubject(r.prompt, r.subject)
        if (subjectAt instanceof Unusable) return subjectAt
        return {
          id: `known-${r.known_id}`,
          requests: [
            {
              prompt: r.prompt,
              subject: r.subject,
              subjectAt,
              target: r.attribute,
              previousTarget: r.attribute
            }
          ],
          probes: [{ property: 'accuracy', kind: 'known', prompt: r.prompt, expected: [r.attribute] }]
        }
      }
    })
  ]
)
