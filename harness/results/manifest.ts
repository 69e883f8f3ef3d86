import { existsSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { z } from 'zod'
import { PROPERTIES } from '../../datasets/types'
import type { Config } from '../config/schema'
import { MOST_RESAMPLES } from '../config/schema'
import { UserError } from '../errors'
import { readJsonObject } from '../json-file'
import { replaceWhole } from '../replace'
import type { Protocol } from './protocol'
import { type Seals, sealSchema } from './seal'

/** Work shared by all edits of a setting (second moments, context templates), once a run. */
export interface Setup {
  readonly ms: number
  /** What there was to do, and whether it came from a cache. */
  readonly parts: readonly { readonly what: string; readonly how: 'computed' | 'cached' }[]
  /** What was learnt before anything could be edited, and how long that took when it was. */
  readonly training?: { readonly ms: number; readonly how: 'computed' | 'cached'; readonly artifact: string }
}

/** One method on one model and one dataset by one protocol, as planned. */
export interface Setting {
  /** `LABEL--MODEL--DATASET`, and the protocol where it is not single; fit for file names. */
  readonly id: string
  /** What the config calls the method; its name when it says nothing. */
  readonly label: string
  readonly method: {
    readonly name: string
    readonly title: string
    readonly family: string
    readonly source: string
    /** The book's efficiency column: can one edit hold many facts at once? */
    readonly holdsMany: boolean
    readonly hyperparameters: Readonly<Record<string, unknown>>
    /** Where those come from that the config does not say: a source of published values. */
    readonly valuesFrom?: string
  }
  readonly model: { readonly name: string; readonly hash: string; readonly architecture: string }
  readonly dataset: {
    readonly name: string
    readonly title: string
    /** Name of the file it was read from, or 'the embedded world'. */
    readonly source: string
    /** Of the cases as they are asked. */
    readonly hash: string
    /** Switches of the dataset, and the half of the world, that differ from the defaults. */
    readonly options: Readonly<Record<string, unknown>>
    /** Records left out: malformed, and edits that change nothing. */
    readonly skipped: { readonly malformed: number; readonly noEdit: number }
  }
  readonly protocol: Protocol
  /** Reported besides exact match and token match. */
  readonly measures: readonly string[]
  /** What decides verdicts besides the questions. */
  readonly scoring: Readonly<Record<string, unknown>>
}

export interface MachineAbout {
  readonly cpu: string
  readonly cores: number
  readonly memoryBytes: number
  readonly platform: string
  readonly node: string
  readonly backend: string
  readonly workers: number
}

/** Machines of one name have times that can be compared. */
export const machineName = ({ cpu, cores, platform, backend, workers }: MachineAbout): string =>
  [cpu, `${cores} cores`, platform, backend, `${workers} workers`].join(', ')

/** A record that became no case of a run. */
export interface SkippedInRun {
  readonly dataset: string
  readonly place: string
  readonly kind: 'malformed' | 'no edit'
  readonly reason: string
}

/** Of a run's folder; another one is refused. */
export const RUN_FORMAT = 'bench-run-3'

/** manifest.json of a run: everything about it that its rows do not say. */
export interface Manifest {
  readonly format: typeof RUN_FORMAT
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
  readonly machine: MachineAbout
  readonly config: Config
  readonly settings: readonly Setting[]
  /** Work shared by all edits, by setting. */
  readonly setup: Readonly<Record<string, Setup>>
  /** Weights' hash by model, the same before and after the run. */
  readonly weights: Readonly<Record<string, string>>
  /** Records left out, by dataset. */
  readonly skipped: readonly SkippedInRun[]
  readonly shards: number
  /** What answers.arrow and edits.arrow of a complete run must be. */
  readonly files?: Seals
}

export function readManifest(runDir: string): Manifest {
  const file = join(runDir, 'manifest.json')
  if (!existsSync(file)) {
    throw new UserError('no run here: manifest.json is missing', {
      place: runDir,
      hint: 'name the folder of a run; `bench list runs` shows them'
    })
  }
  const json = readJsonObject(file)
  if (json.format !== RUN_FORMAT) {
    throw new UserError(`format ${JSON.stringify(json.format)} is not known here`, {
      place: file,
      hint: `expected is '${RUN_FORMAT}'; was it written by another version?`
    })
  }
  const parsed = manifestSchema.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new UserError(`not the manifest of a run: '${issue!.path.join('.')}': ${issue!.message}`, { place: file })
  }
  // A run is called what its folder is called, whatever a file in it says.
  return { ...(json as unknown as Manifest), id: basename(resolve(runDir)) }
}

const text = z.string()
const count = z.number().int().nonnegative()
const cuts = z.object({ medium: z.number(), high: z.number() })

const how = z.enum(['computed', 'cached'])
const oneByOne = z.boolean()
const protocol = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('single'), oneByOne }),
  z.object({ kind: z.literal('batch'), size: count, oneByOne }),
  z.object({
    kind: z.literal('sequential'),
    edits: count,
    size: count,
    oneByOne,
    askAfter: z.array(count),
    orderSeed: count.nullable()
  })
])

/** All that is read of a manifest, so that a foreign or damaged one is refused as a whole. */
const manifestSchema = z.object({
  format: z.literal(RUN_FORMAT),
  id: text,
  name: text,
  hash: text,
  status: z.enum(['running', 'complete']),
  startedAt: z.iso.datetime(),
  seconds: z.number().nonnegative(),
  version: text,
  gitCommit: text.optional(),
  machine: z.object({
    cpu: text,
    cores: count,
    memoryBytes: count,
    platform: text,
    node: text,
    backend: text,
    workers: count
  }),
  config: z.looseObject({
    seed: count,
    scoring: z.looseObject({
      bootstrap: count.max(MOST_RESAMPLES),
      grading: z.record(z.enum(PROPERTIES), cuts.optional()).or(z.object({}))
    })
  }),
  settings: z.array(
    z.object({
      id: text,
      label: text,
      method: z.object({
        name: text,
        title: text,
        family: text,
        source: text,
        holdsMany: z.boolean(),
        hyperparameters: z.record(text, z.unknown()),
        valuesFrom: text.optional()
      }),
      model: z.object({ name: text, hash: text, architecture: text }),
      dataset: z.object({
        name: text,
        title: text,
        source: text,
        hash: text,
        options: z.record(text, z.unknown()),
        skipped: z.object({ malformed: count, noEdit: count })
      }),
      protocol,
      measures: z.array(text),
      scoring: z.record(text, z.unknown())
    })
  ),
  setup: z.record(
    text,
    z.object({
      ms: z.number(),
      parts: z.array(z.object({ what: text, how })),
      training: z.object({ ms: z.number(), how, artifact: text }).optional()
    })
  ),
  weights: z.record(text, text),
  skipped: z.array(z.object({ dataset: text, place: text, kind: z.enum(['malformed', 'no edit']), reason: text })),
  shards: count,
  files: z.record(text, sealSchema).optional()
})

export function writeManifest(runDir: string, manifest: Manifest): void {
  const text = `${JSON.stringify(manifest, null, 2)}\n`
  replaceWhole(join(runDir, 'manifest.json'), (file) => writeFileSync(file, text))
}
