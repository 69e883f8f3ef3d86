import { dirname } from 'node:path'
import { z } from 'zod'
import { type Layout, layout, loadRecords, needsFile, type PlacelessCase, parseOptions, type Unusable } from './records'
import type { Dataset, LayoutKeys } from './types'

/** A layout whose cases may depend on the dataset's switches. */
export interface FileLayout<Schema extends z.ZodType, Switches = unknown> extends LayoutKeys {
  readonly schema: Schema
  readonly toCase: (
    record: z.output<Schema>,
    index: number,
    switches: Switches
  ) => PlacelessCase | Unusable | readonly PlacelessCase[]
}

/** Keeps the schema's type between `schema` and `toCase`. */
export const fileLayout = <Schema extends z.ZodType, Switches = unknown>(
  of: FileLayout<Schema, Switches>
): FileLayout<z.ZodType, Switches> => of as unknown as FileLayout<z.ZodType, Switches>

type About = Pick<Dataset, 'name' | 'title' | 'source' | 'license'> & Partial<Pick<Dataset, 'measures' | 'seesImages'>>

const NONE = z.strictObject({})

/**
 * A dataset that is nothing but its files, without an embedded version.
 * @param where the files are to be had
 * @param read what the switches and the whole file come to, with paths relative to the folder `near`
 */
export function datasetOfFiles<Switches = unknown, Read = Switches>(
  about: About,
  where: string,
  layouts: readonly FileLayout<z.ZodType, Read>[],
  switches: z.ZodType<Switches> = NONE as unknown as z.ZodType<Switches>,
  read: (switches: Switches, of: { near: string; source: string; seed: number }) => Read = (own) =>
    own as unknown as Read
): Dataset {
  return {
    measures: [],
    ...about,
    needsFile: true,
    layouts: layouts.map(({ schema: _, toCase: __, ...keys }) => keys),
    async *load(source, options) {
      const own = parseOptions(about.name, switches, options.options)
      if (source === undefined) throw needsFile(about, where)
      const ready = read(own, { near: options.near ?? dirname(source), source, seed: options.seed })
      const withSwitches = layouts.map(
        (l): Layout => layout({ ...l, toCase: (record, index) => l.toCase(record, index, ready) })
      )
      yield* loadRecords(source, withSwitches, options)
    }
  }
}
