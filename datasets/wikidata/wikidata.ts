import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { knoweditCase, knoweditRecord } from '../knowedit'
import type { LayoutKeys } from '../types'

const switches = z.strictObject({
  strict_book_portability: z
    .boolean()
    .default(false)
    .describe("Drop portability questions whose answer is the edit's own target")
})

/** A set of KnowEdit that is nothing but its records. */
const knowedit = (name: string, title: string, keys: LayoutKeys) =>
  datasetOfFiles<z.output<typeof switches>>(
    {
      name,
      title,
      source: 'Cohen et al. 2023, arXiv 2307.12976; as in KnowEdit (Zhang et al. 2024, arXiv 2401.01286)',
      license: 'MIT'
    },
    'huggingface.co/datasets/zjunlp/KnowEdit',
    [
      fileLayout({
        ...keys,
        schema: knoweditRecord,
        toCase: (r, index, own: z.output<typeof switches>) =>
          knoweditCase(r, `${name}-${index}`, own.strict_book_portability)
      })
    ],
    switches
  )

export const wikidataRecent = knowedit('wikidata-recent', 'WikiData_recent', {
  name: "KnowEdit's recent",
  keys: ['prompt', 'target_new', 'locality'],
  without: ['ground_truth', 'cond']
})

export const wikidataCounterfact = knowedit('wikidata-counterfact', 'WikiData_counterfact', {
  name: "KnowEdit's counterfact",
  keys: ['prompt', 'target_new', 'ground_truth', 'locality'],
  without: ['cond']
})
