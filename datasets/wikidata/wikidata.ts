import { z } from 'zod'
import { knoweditCase, knoweditRecord } from '../knowedit'
import { layout, loadRecords, needsFile, parseOptions } from '../records'
import type { Dataset, LayoutKeys } from '../types'

const switches = z.strictObject({
  strict_book_portability: z
    .boolean()
    .default(false)
    .describe("Drop portability questions whose answer is the edit's own target")
})

/** A set of KnowEdit that is nothing but its records. */
function knowedit(about: Pick<Dataset, 'name' | 'title' | 'source'>, keys: LayoutKeys): Dataset {
  return {
    ...about,
    license: 'MIT',
    measures: [],
    needsFile: true,
    layouts: [keys],
    async *load(source, options) {
      const own = parseOptions(about.name, switches, options.options)
      if (source === undefined) throw needsFile(about, 'huggingface.co/datasets/zjunlp/KnowEdit')
      const records = layout({
        ...keys,
        schema: knoweditRecord,
        toCase: (r, index) => knoweditCase(r, `${about.name}-${index}`, own.strict_book_portability)
      })
      yield* loadRecords(source, [records], options)
    }
  }
}

export const wikidataRecent = knowedit(
  {
    name: 'wikidata-recent',
    title: 'WikiData_recent',
    source: 'Cohen et al. 2023, arXiv 2307.12976; as in KnowEdit (Zhang et al. 2024, arXiv 2401.01286)'
  },
  { name: "KnowEdit's recent", keys: ['prompt', 'target_new', 'locality'], without: ['ground_truth', 'cond'] }
)

export const wikidataCounterfact = knowedit(
  {
    name: 'wikidata-counterfact',
    title: 'WikiData_counterfact',
    source: 'Cohen et al. 2023, arXiv 2307.12976; as in KnowEdit (Zhang et al. 2024, arXiv 2401.01286)'
  },
  { name: "KnowEdit's counterfact", keys: ['prompt', 'target_new', 'ground_truth', 'locality'], without: ['cond'] }
)
