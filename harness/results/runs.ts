import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors'
import { type Manifest, readManifest } from './manifest'
import type { AnswerRow, EditRow } from './rows'
import { answersTable, editsTable } from './tables'

/**
 * Folders of a results folder that hold a run, newest first.
 * @param onUnreadable called for a folder whose manifest cannot be read, such as another version's; it is left alone
 */
export function listRuns(
  resultsDir: string,
  onUnreadable: (problem: UserError) => void = () => {}
): { dir: string; manifest: Manifest }[] {
  if (!existsSync(resultsDir)) return []
  const read = (dir: string) => {
    try {
      return [{ dir, manifest: readManifest(dir) }]
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      onUnreadable(error)
      return []
    }
  }
  return readdirSync(resultsDir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(resultsDir, entry.name, 'manifest.json')))
    .flatMap(({ name }) => read(join(resultsDir, name)))
    .sort((a, b) => b.manifest.startedAt.localeCompare(a.manifest.startedAt) || a.dir.localeCompare(b.dir))
}

/** The rows of a run, or of a shard of one. */
export interface Rows {
  readonly answers: readonly AnswerRow[]
  readonly edits: readonly EditRow[]
}

/** Rows of a complete run. @throws UserError when its files are not as they were written, or of another run */
export function readRows(dir: string, manifest: Manifest): Rows {
  const { files = {} } = manifest
  const answers = answersTable.readSealed(dir, 'answers.arrow', files)
  const edits = editsTable.readSealed(dir, 'edits.arrow', files)
  refuseForeign(
    dir,
    manifest,
    [...answers, ...edits].map((row) => row.setting)
  )
  return { answers, edits }
}

/** @throws UserError when rows are of a setting that the run does not have */
export function refuseForeign(dir: string, { settings }: Manifest, ofRows: Iterable<string>): void {
  const known = new Set(settings.map((s) => s.id))
  let foreign: string | undefined
  for (const setting of ofRows) if (!known.has(setting)) foreign ??= setting
  if (foreign === undefined) return
  throw new UserError(`holds rows of the setting ${JSON.stringify(foreign)}, which manifest.json does not have`, {
    place: dir,
    hint: 'files of two runs are mixed, or manifest.json was changed by hand'
  })
}
