import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/schema'
import { UserError } from '../errors'
import { replaceWhole } from '../replace'
import type { RunSummary, SettingSummary, Setup } from './types'

/** One method on one model and one dataset, as planned. */
export interface Setting {
  /** `LABEL--MODEL--DATASET`, fit for file names. */
  readonly id: string
  readonly label: string
  readonly method: Omit<SettingSummary['method'], 'name'> & { readonly name: string; readonly supportsBatch: boolean }
  readonly model: SettingSummary['model']
  readonly dataset: SettingSummary['dataset']
  readonly protocol: SettingSummary['protocol']
  readonly scoring: SettingSummary['scoring']
}

/** A record that became no case of a run. */
export interface SkippedInRun {
  readonly dataset: string
  readonly place: string
  readonly kind: 'malformed' | 'no edit'
  readonly reason: string
}

/** manifest.json of a run: everything about it that its rows do not say. */
export interface Manifest {
  readonly format: 'bench-run-2'
  readonly id: string
  readonly name: string
  /** SHA-256 of all that decides the answers: config, model and dataset hashes, hyper-parameters, version. */
  readonly hash: string
  readonly status: 'running' | 'complete'
  readonly startedAt: string
  /** Working time, over all sessions of a resumed run. */
  readonly seconds: number
  readonly version: string
  readonly gitCommit: string | undefined
  readonly machine: RunSummary['machine']
  readonly config: Config
  readonly settings: readonly Setting[]
  /** Work shared by all edits, by setting. */
  readonly setup: Readonly<Record<string, Setup>>
  /** Weights' hash by model, the same before and after the run. */
  readonly weights: Readonly<Record<string, string>>
  /** Records left out, by dataset. */
  readonly skipped: readonly SkippedInRun[]
  readonly shards: number
}

export function readManifest(runDir: string): Manifest {
  const file = join(runDir, 'manifest.json')
  if (!existsSync(file)) {
    throw new UserError('no run here: manifest.json is missing', {
      place: runDir,
      hint: 'name the folder of a run; `bench list runs` shows them'
    })
  }
  let manifest: Partial<Manifest>
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8')) as Partial<Manifest>
  } catch (error) {
    throw new UserError(`not JSON: ${(error as Error).message}`, { place: file })
  }
  if (manifest.format === 'bench-run-2') return manifest as Manifest
  throw new UserError(`format ${JSON.stringify(manifest.format)} is not known here`, {
    place: file,
    hint: "expected is 'bench-run-2'; was it written by another version?"
  })
}

export function writeManifest(runDir: string, manifest: Manifest): void {
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  replaceWhole(join(runDir, 'manifest.json'), (file) => writeFileSync(file, text))
}
