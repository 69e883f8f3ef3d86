import { z } from 'zod'
import { type Layout, layout, loadRecords, needsFile, type PlacelessCase, parseOptions, type Unusable } from './records'
import type { Dataset, LayoutKeys } from './types'

export interface FileLayout<Schema extends z.ZodType> extends LayoutKeys {
  readonly schema: Schema
  readonly toCase: (record: z.output<Schema>, index: number) => PlacelessCase | Unusable
}

/** Keeps the schema's type between `schema` and `toCase`. */
export const fileLayout = <Schema extends z.ZodType>(of: FileLayout<Schema>): FileLayout<z.ZodType> =>
  of as unknown as FileLayout<z.ZodType>

type About = Pick<Dataset, 'name' | 'title' | 'source' | 'license'> & Partial<Pick<Dataset, 'measures'>>

/**
 * A dataset that is nothing but its files, without switches and without an embedded version.
 * @param where the files are to be had
 */
export function datasetOfFiles(about: About, where: string, layouts: readonly FileLayout<z.ZodType>[]): Dataset {
  return {
    measures: [],
    ...about,
    needsFile: true,
    layouts: layouts.map(({ name, keys, without = [] }) => ({ name, keys, without })),
    async *load(source, options) {
      parseOptions(about.name, z.strictObject({}), options.options)
      if (source === undefined) throw needsFile(about, where)
      yield* loadRecords(
        source,
        layouts.map((l): Layout => layout(l)),
        options
      )
    }
  }
}
