import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { closestTo } from '../closest'
import { UserError } from '../errors'
import { readJsonObject } from '../json-file'
import { rowsOf } from '../results/columns'
import { readManifest } from '../results/manifest'
import { listRuns, refuseForeign } from '../results/runs'
import { answersTable, editsTable } from '../results/tables'
import type { ComparedRun } from './compare'
import { ANSWER_COLUMNS, EDIT_COLUMNS } from './rows'

/**
 * The folder of a complete run: by its id in a results folder, as a folder, `latest`, or `previous`, the newest before another.
 * @throws UserError when there is none
 */
export function findRun(name: string, resultsDir: string, before?: string): string {
  const own = join(resultsDir, name)
  const known = [own, name].find((dir) => existsSync(join(dir, 'manifest.json')))
  if (known !== undefined && name !== 'latest' && name !== 'previous') {
    if (readManifest(known).status === 'complete') return known
    throw new UserError('the run is not complete', { place: known, hint: 'go on with it: bench run CONFIG --resume' })
  }
  const complete = listRuns(resultsDir).filter((r) => r.manifest.status === 'complete')
  if (name === 'latest' && complete[0] !== undefined) return complete[0].dir
  if (name === 'previous') {
    const at = complete.findIndex((r) => r.dir === before)
    const earlier = complete.slice(at + 1).find((r) => at < 0 || r.manifest.name === complete[at]!.manifest.name)
    if (earlier !== undefined) return earlier.dir
    throw new UserError('there is no run of the same name before this one', { place: resultsDir })
  }
  const ids = complete.map((r) => r.manifest.id)
  throw new UserError(`no complete run '${name}'${closestTo(name, ids)}`, {
    place: resultsDir,
    hint:
      ids.length === 0
        ? 'make one: bench run CONFIG; or name another folder with --out DIR'
        : `runs: ${ids.slice(0, 8).join(', ')}`
  })
}

/** What a gate said of a run: gate.json in its folder. */
const verdictSchema = z.object({ passed: z.boolean() })

/**
 * The newest run of the same name before another that passed its gate; undefined when none has yet. A run whose verdict cannot be read has none.
 */
export function lastGood(runDir: string, resultsDir: string): string | undefined {
  const complete = listRuns(resultsDir).filter((r) => r.manifest.status === 'complete')
  const { name, startedAt } = readManifest(runDir)
  return complete.find(
    (r) =>
      r.manifest.name === name && r.manifest.startedAt < startedAt && r.dir !== runDir && gatePassed(r.dir) === true
  )?.dir
}

/** What the gate said of a run; undefined when it said nothing that can be read. */
export function gatePassed(dir: string): boolean | undefined {
  const file = join(dir, 'gate.json')
  if (!existsSync(file)) return undefined
  try {
    return verdictSchema.parse(readJsonObject(file)).passed
  } catch {
    return undefined
  }
}

/** A run with all that a comparison needs. */
export function readComparedRun(dir: string): ComparedRun {
  const manifest = readManifest(dir)
  const { id, startedAt, machine, settings, files = {} } = manifest
  const answers = answersTable.readColumns(dir, 'answers.arrow', files, ANSWER_COLUMNS)
  const edits = rowsOf(editsTable.readColumns(dir, 'edits.arrow', files, EDIT_COLUMNS), EDIT_COLUMNS)
  const settingsOf = function* () {
    for (let i = 0; i < answers.length; i++) yield answers.setting.get(i)
    for (const { setting } of edits) yield setting
  }
  refuseForeign(dir, manifest, settingsOf())
  return { answers, edits, id, startedAt, machine, settings }
}
