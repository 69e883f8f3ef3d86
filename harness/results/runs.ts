import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Property } from '../../datasets/types'
import { UserError } from '../errors'
import { BOOK_GRADING, type Grading } from '../scoring/grade'
import { summariseAnswers, summariseEfficiency } from '../scoring/summarise'
import { type Manifest, readManifest } from './manifest'
import type { AnswerRow } from './rows'
import { answersTable, editsTable } from './tables'
import type { AnswerView, RunSummary } from './types'

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

/** A complete run with all its numbers, recomputed from its rows. @throws UserError when a file of it is not as it was written */
export function readRun(dir: string): { summary: RunSummary; answers: readonly AnswerRow[] } {
  const manifest = readManifest(dir)
  const { files = {} } = manifest
  const answers = answersTable.readSealed(dir, 'answers.arrow', files)
  const edits = editsTable.readSealed(dir, 'edits.arrow', files)
  const { config } = manifest
  const answersOf = groupBySetting(answers)
  const editsOf = groupBySetting(edits)
  const known = new Set(manifest.settings.map((s) => s.id))
  const foreign = [...answersOf.keys(), ...editsOf.keys()].find((id) => !known.has(id))
  if (foreign !== undefined) {
    throw new UserError(`holds rows of the setting ${JSON.stringify(foreign)}, which manifest.json does not have`, {
      place: dir,
      hint: 'files of two runs are mixed, or manifest.json was changed by hand'
    })
  }
  const grading = gradingOf(config.scoring.grading)
  const settings = manifest.settings.map(({ id, label, method, ...rest }) => {
    const { holdsMany, ...about } = method
    const own = editsOf.get(id) ?? []
    return {
      id,
      ...rest,
      label,
      method: about,
      ...summariseAnswers(answersOf.get(id) ?? [], own, {
        seed: config.seed,
        resamples: config.scoring.bootstrap,
        grading
      }),
      efficiency: summariseEfficiency(own, manifest.setup[id] ?? { ms: 0, parts: [] }, holdsMany)
    }
  })
  const { id, name, startedAt, seconds, version, gitCommit, machine } = manifest
  return {
    summary: { id, name, startedAt, seconds, seed: config.seed, version, gitCommit, machine, grading, settings },
    answers
  }
}

/** Answers as a page shows them. */
export function* answerViews(answers: readonly AnswerRow[]): Generator<AnswerView> {
  for (const a of answers) {
    yield {
      settingId: a.setting,
      caseId: a.caseId,
      property: a.property,
      kind: a.kind,
      prompt: a.prompt,
      expected: a.expected,
      before: a.before,
      after: a.after,
      correctBefore: a.exactBefore,
      correctAfter: a.exactAfter,
      longer: a.longerAfter
    }
  }
}

function gradingOf(own: Partial<Record<Property, { medium: number; high: number } | undefined>>): Grading {
  const { accuracy, generality, portability, locality } = BOOK_GRADING
  return {
    accuracy: own.accuracy ?? accuracy,
    generality: own.generality ?? generality,
    portability: own.portability ?? portability,
    locality: own.locality ?? locality
  }
}

function groupBySetting<Row extends { readonly setting: string }>(rows: readonly Row[]): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const group = groups.get(row.setting)
    if (group === undefined) groups.set(row.setting, [row])
    else group.push(row)
  }
  return groups
}
