import type { Property } from '../../datasets/types'
import { groupBy } from '../group-by'
import { type Manifest, readManifest, type Setting } from '../results/manifest'
import { protocolName } from '../results/protocol'
import type { AnswerRow, EditRow } from '../results/rows'
import { readRows } from '../results/runs'
import { BOOK_GRADING, type Grading } from './grade'
import { findMeasure } from './measures'
import { summariseAnswers, summariseEfficiency, summariseRetention } from './summarise'
import type { RunSummary, SettingSummary } from './types'

/** A complete run with all its numbers, recomputed from its rows. @throws UserError when a file of it is not as it was written */
export function readRun(dir: string): {
  summary: RunSummary
  answers: readonly AnswerRow[]
  edits: readonly EditRow[]
} {
  const manifest = readManifest(dir)
  const { answers, edits } = readRows(dir, manifest)
  const { id, name, startedAt, seconds, version, gitCommit, machine, config } = manifest
  const grading = gradingOf(config.scoring.grading)
  const answersOf = groupBy(answers, (r) => r.setting)
  const editsOf = groupBy(edits, (r) => r.setting)
  const settings = manifest.settings.flatMap((setting) =>
    summarise(setting, manifest, grading, answersOf.get(setting.id) ?? [], editsOf.get(setting.id) ?? [])
  )
  return {
    summary: { id, name, startedAt, seconds, seed: config.seed, version, gitCommit, machine, grading, settings },
    answers,
    edits
  }
}

function summarise(
  setting: Setting,
  { config, setup }: Manifest,
  grading: Grading,
  answers: readonly AnswerRow[],
  edits: readonly EditRow[]
): SettingSummary[] {
  const { id, protocol, measures, ...about } = setting
  const options = {
    seed: config.seed,
    resamples: config.scoring.bootstrap,
    grading,
    measures: measures.map(findMeasure)
  }
  const failed = edits.flatMap((e) =>
    e.error === null ? [] : [{ caseId: e.caseId, place: e.place, message: e.error }]
  )
  const efficiency = summariseEfficiency(edits, setup[id] ?? { ms: 0, parts: [] }, setting.method.holdsMany)
  const common = { ...about, failed, efficiency }
  const name = protocolName(protocol)
  const atOnce = {
    ...summariseAnswers(
      answers.filter((r) => !r.checkpoint),
      options
    ),
    cases: edits.length
  }
  if (protocol.kind !== 'sequential') return [{ ...common, id, protocol: name, ...atOnce, retention: [] }]
  const last = answers.filter((r) => r.checkpoint && r.held === protocol.edits)
  const retention = summariseRetention(answers, options)
  const atTheEnd = { ...summariseAnswers(last, options), cases: edits.length }
  return [
    { ...common, id, protocol: `${name}, asked at the end`, ...atTheEnd, retention },
    { ...common, id: `${id}--at-once`, protocol: `${name}, asked at once`, ...atOnce, retention: [] }
  ]
}

/** The book's cut points, but for those of the config. */
const gradingOf = (own: Partial<Record<Property, { medium: number; high: number } | undefined>>): Grading => ({
  ...BOOK_GRADING,
  ...Object.fromEntries(Object.entries(own).filter(([, cuts]) => cuts !== undefined))
})
