import type { Property } from '../datasets/types'
import type { EfficiencySummary, PropertySummary, RunSummary, SettingSummary } from '../harness/results/types'
import type { MethodFamily } from '../methods/types'
import { interval, milliseconds, percent } from './format'

/** The columns of the book's Table 5.2, but for efficiency. */
export const COLUMNS: readonly Property[] = ['accuracy', 'generality', 'portability', 'locality']

/** Families in the order of the table; those that leave the model's weights alone come first. */
const FAMILIES: readonly { readonly id: MethodFamily; readonly title: string; readonly group: string }[] = [
  { id: 'fine-tuning', title: 'Fine-tuning', group: 'Baseline' },
  { id: 'knowledge-cache', title: 'Knowledge cache', group: 'External extension' },
  { id: 'additional-parameters', title: 'Additional parameters', group: 'External extension' },
  { id: 'meta-learning', title: 'Meta-learning', group: 'Internal modification' },
  { id: 'locate-then-edit', title: 'Locate, then edit', group: 'Internal modification' }
]

/** A cell as the templates show it; missing numbers mean "not measured". */
export interface Cell {
  readonly measured: boolean
  readonly grade?: string
  readonly gradeTitle?: string
  readonly value?: string
  readonly interval?: string
  readonly base?: string
}

interface LeaderboardRow {
  readonly method: string
  readonly title: string
  readonly source: string
  readonly runId: string
  readonly href: string
  readonly edits: number
  readonly failed: number
  readonly cells: readonly Cell[]
  readonly ms: string
  readonly batch: boolean
}

export interface LeaderboardTable {
  readonly model: string
  readonly dataset: string
  readonly datasetTitle: string
  readonly source: string
  readonly cases: number
  readonly families: readonly {
    readonly title: string
    readonly group: string
    readonly rows: readonly LeaderboardRow[]
  }[]
}

const GRADE_TITLES = { high: 'High', medium: 'Medium', low: 'Low' } as const

export function cellOf(property: PropertySummary | undefined): Cell {
  if (property === undefined) return { measured: false }
  return {
    measured: true,
    grade: property.grade,
    gradeTitle: GRADE_TITLES[property.grade],
    value: percent(property.edited.mean),
    interval: interval(property.edited),
    base: percent(property.base.mean)
  }
}

export const propertyCells = (setting: SettingSummary): Cell[] => COLUMNS.map((p) => cellOf(setting.properties[p]))

/**
 * One table for every model and every selection of cases, so that all lines of a table answered the same questions. Where several
 * runs hold the same method there, the newest stands; the others stay on their own pages.
 */
export function leaderboard(runs: readonly RunSummary[]): LeaderboardTable[] {
  const newestFirst = [...runs].sort((a, b) => b.startedAt.localeCompare(a.startedAt))
  const tables = new Map<string, { run: RunSummary; setting: SettingSummary }[]>()
  for (const run of newestFirst) {
    for (const setting of run.settings) {
      const key = JSON.stringify([setting.model.name, setting.model.hash, setting.dataset.name, setting.dataset.hash])
      const entries = tables.get(key) ?? []
      tables.set(key, entries)
      if (!entries.some((e) => e.setting.method.name === setting.method.name)) entries.push({ run, setting })
    }
  }
  return [...tables.values()]
    .map((entries) => {
      const { model, dataset, cases } = entries[0]!.setting
      return {
        model: model.name,
        dataset: dataset.name,
        datasetTitle: dataset.title,
        source: dataset.source,
        cases,
        families: FAMILIES.map(({ id, title, group }) => ({
          title,
          group,
          rows: entries
            .filter((e) => e.setting.method.family === id)
            .map(({ run, setting }) => rowOf(run, setting))
            .sort((a, b) => a.method.localeCompare(b.method))
        })).filter((family) => family.rows.length > 0)
      }
    })
    .sort((a, b) => a.model.localeCompare(b.model) || a.dataset.localeCompare(b.dataset) || b.cases - a.cases)
}

function rowOf(run: RunSummary, setting: SettingSummary): LeaderboardRow {
  const { method, efficiency } = setting
  return {
    method: method.name,
    title: method.title,
    source: method.source,
    runId: run.id,
    href: `runs/${encodeURIComponent(run.id)}.html#${encodeURIComponent(setting.id)}`,
    edits: setting.cases - setting.failed.length,
    failed: setting.failed.length,
    cells: propertyCells(setting),
    ms: costOf(efficiency),
    batch: efficiency.supportsBatch
  }
}

const costOf = ({ msPerEdit }: EfficiencySummary): string => milliseconds(msPerEdit.median)
