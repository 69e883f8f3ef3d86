import { createHash } from 'node:crypto'
import type { EditCase, LoadOptions } from '../../datasets/types'
import type { DatasetEntry } from '../config/schema'

/** How a dataset of a config is read. */
export const caseStream = (entry: DatasetEntry, seed: number): LoadOptions => ({
  onBadRecord: entry.on_bad_record,
  split: entry.split,
  seed,
  options: entry.options,
  ...(entry.limit === undefined ? {} : { limit: entry.limit })
})

/** Names cases by what they are, wherever they stand. */
export function hashOfCases(): { add(editCase: EditCase): void; digest(): string } {
  const hash = createHash('sha256')
  return {
    add: ({ place: _, ...content }) => void hash.update(JSON.stringify(content)),
    digest: () => hash.digest('hex')
  }
}
