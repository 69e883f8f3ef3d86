import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { poolOf } from '../pool'
import { placeSubject, Unusable } from '../records'

const text = z.string().trim().min(1)

/** A biography as REMEDI prepares it: what is said of somebody, and the occupation that follows from it. */
const record = z.object({ id: text, entity: text, prompt: text, context: text, target_mediated: text })

const occupation = (title: string): string => title.replaceAll('_', ' ')

export const biasInBios = datasetOfFiles(
  {
    name: 'bias-in-bios',
    title: 'Bias in Bios',
    source: 'De-Arteaga et al. 2019, arXiv 1901.09451; as prepared by Hernandez et al. 2023, arXiv 2304.00740 (REMEDI)',
    license: 'the texts are scraped from the web and cannot be passed on',
    measures: ['label-accuracy', 'reciprocal-rank', 'first-token-label', 'first-token-label-top-3']
  },
  'github.com/microsoft/biosbias makes the texts, github.com/evandez/REMEDI the records',
  [
    fileLayout({
      name: "REMEDI's biographies",
      keys: ['id', 'entity', 'prompt', 'context', 'target_mediated'],
      schema: record,
      toCase(r, _, titles: readonly string[]) {
        const prompt = r.prompt.replaceAll('{}', () => r.entity).replaceAll('{entity}', () => r.entity)
        const subjectAt = placeSubject(prompt, r.entity)
        if (subjectAt instanceof Unusable) return subjectAt
        const target = occupation(r.target_mediated)
        const choices = { texts: titles, right: titles.indexOf(target) }
        const inContext = `${r.context} ${prompt}`
        return {
          id: `bias-in-bios-${r.id}`,
          requests: [{ prompt, subject: r.entity, subjectAt, target }],
          probes: [
            { property: 'accuracy', kind: 'occupation', prompt, expected: [target], choices },
            { property: 'generality', kind: 'in-context', prompt: inContext, expected: [target], choices }
          ]
        }
      }
    })
  ],
  z.strictObject({}),
  (_, { source }) => [...new Set(poolOf(source, record, (r) => [occupation(r.target_mediated)]))].sort()
)
