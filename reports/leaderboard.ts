import { APART, PROPERTIES } from '../datasets/types'
import { fileName } from '../harness/file-name'
import type { PropertySummary, RunSummary, SettingSummary } from '../harness/scoring/types'
import type { MethodFamily } from '../methods/types'
import { interval, milliseconds, percent, showOf } from './format'

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
  /** Edits the number rests on. */
  readonly edits?: number
  readonly base?: string
  readonly tokens?: string
  /** Further numbers in small print: kinds that are reported apart, and what is right where the unedited model knows what is asked. */
  readonly notes?: readonly string[]
}

interface LeaderboardRow {
  readonly label: string
  /** What tells it apart from rows of the same method in its table. */
  readonly differs: string
  readonly title: string
  readonly source: string
  readonly href: string
  readonly edits: number
  readonly failed: number
  readonly cells: readonly Cell[]
  readonly ms: string
  readonly batch: boolean
  readonly date: string
  readonly machine: string
}

export interface LeaderboardTable {
  readonly model: string
  readonly datasetTitle: string
  /** What tells it apart from tables of the same model and dataset. */
  readonly differs: string
  readonly about: string
  /** Of its protocol: single, batch or sequential. */
  readonly kind: string
  readonly cutPoints: string
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
    grade: property.grade ?? '',
    gradeTitle: property.grade === undefined ? '' : GRADE_TITLES[property.grade],
    value: percent(property.edited.mean),
    interval: interval(property.edited),
    edits: property.edited.cases,
    base: percent(property.base.mean),
    tokens: percent(property.tokenShare.mean)
  }
}

export const propertyCells = (setting: SettingSummary): Cell[] =>
  PROPERTIES.map((p) => {
    const { granted } = setting.properties[p] ?? {}
    const apart = setting.kinds.filter((k) => k.property === p && APART.includes(k.kind))
    const notes = [
      ...(granted === undefined
        ? []
        : [
            `base knows ${percent(granted.known.mean)}${granted.edited === undefined ? '' : `: ${percent(granted.edited.mean)}`}`
          ]),
      ...apart.map((k) => `${k.kind.replaceAll('-', ' ')} ${percent(k.edited.mean)}`),
      ...setting.measures.flatMap(({ headline, unit, values }) =>
        headline ? values.filter((v) => v.property === p).map((v) => `${v.label} ${showOf(unit)(v.edited.mean)}`) : []
      )
    ]
    return { ...cellOf(setting.properties[p]), notes }
  })

/** `accuracy 20.5 and 75.0` ...: from where a share of matching tokens is medium and high, in percent. */
export const cutPoints = ({ grading }: RunSummary): string =>
  PROPERTIES.map((p) => `${p} ${percent(grading[p].medium)} and ${percent(grading[p].high)}`).join(', ')

interface Entry {
  readonly run: RunSummary
  readonly setting: SettingSummary
}

/** Everything that must be the same for lines to stand in one table: model, questions and how they are asked, scored and graded. */
const tableKey = ({ run, setting: { model, dataset, protocol, scoring } }: Entry): string =>
  canonical([model.hash, dataset.hash, dataset.options, protocol, scoring, run.grading])

/** A line is a method with its hyper-parameters. */
const rowKey = ({ setting: { method } }: Entry): string => canonical([method.name, method.hyperparameters])

/** JSON with keys in order. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v
  )

/**
 * One table for every model and every selection of cases, so that all lines of a table answered the same questions under the same rules. Where
 * several runs hold the same method with the same hyper-parameters there, the newest stands; the others stay on their own pages.
 */
export function leaderboard(runs: readonly RunSummary[]): LeaderboardTable[] {
  const newestFirst = [...runs].sort((a, b) => b.startedAt.localeCompare(a.startedAt))
  const tables = new Map<string, Map<string, Entry>>()
  for (const entry of newestFirst.flatMap((run) => run.settings.map((setting) => ({ run, setting })))) {
    const rows = tables.get(tableKey(entry)) ?? new Map<string, Entry>()
    tables.set(tableKey(entry), rows)
    if (!rows.has(rowKey(entry))) rows.set(rowKey(entry), entry)
  }
  const all = [...tables.values()].map((rows) => [...rows.values()])
  const firsts = all.map(([first]) => first!)
  const heading = ({ setting: { model, dataset } }: Entry) => JSON.stringify([model.name, dataset.title])
  return all
    .map((entries) => {
      const first = entries[0]!
      const { model, dataset } = first.setting
      return {
        model: model.name,
        datasetTitle: dataset.title,
        differs: differences(first, firsts.filter((f) => heading(f) === heading(first)).map(aboutTable), aboutTable),
        about: describe(aboutTable(first)),
        cutPoints: cutPoints(first.run),
        kind: first.setting.protocol.split('-')[0]!,
        cases: first.setting.cases,
        families: FAMILIES.map(({ id, title, group }) => ({
          title,
          group,
          rows: entries
            .filter((e) => e.setting.method.family === id)
            .map((entry) => rowOf(entry, entries))
            .sort((a, b) => a.label.localeCompare(b.label) || a.differs.localeCompare(b.differs))
        })).filter((family) => family.rows.length > 0)
      }
    })
    .sort(
      (a, b) =>
        a.model.localeCompare(b.model) ||
        a.datasetTitle.localeCompare(b.datasetTitle) ||
        KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) ||
        b.cases - a.cases
    )
}

/** Kinds of protocols, the simplest first. */
const KINDS: readonly string[] = ['single', 'batch', 'sequential']

type Facts = Readonly<Record<string, unknown>>

function aboutTable({ run, setting: { model, dataset, cases, protocol, scoring } }: Entry): Facts {
  const { malformed, noEdit } = dataset.skipped
  return {
    source: dataset.source,
    cases,
    ...(malformed > 0 ? { 'malformed records left out': malformed } : {}),
    ...(noEdit > 0 ? { 'records that change nothing left out': noEdit } : {}),
    ...dataset.options,
    protocol,
    ...scoring,
    model: model.hash.slice(0, 8),
    data: dataset.hash.slice(0, 8),
    grading: canonical(run.grading)
  }
}

/** The facts that are not the same in all of some. */
function differences<T>(own: T, all: readonly Facts[], factsOf: (of: T) => Facts): string {
  const facts = factsOf(own)
  const keys = [...new Set(all.flatMap(Object.keys))]
  const unlike = keys.filter((key) => new Set(all.map((f) => canonical(f[key] ?? null))).size > 1)
  return describe(Object.fromEntries(unlike.map((key) => [key, facts[key] ?? 'none'])))
}

const describe = (facts: Facts): string =>
  Object.entries(facts)
    .filter(([key]) => key !== 'grading')
    .map(([key, value]) => `${key} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')

function rowOf(entry: Entry, table: readonly Entry[]): LeaderboardRow {
  const { run, setting } = entry
  const { label, method, efficiency } = setting
  const alike = table.filter((e) => e.setting.method.name === method.name).map((e) => e.setting.method.hyperparameters)
  const { machine } = run
  return {
    label,
    differs: differences(entry, alike, (e) => e.setting.method.hyperparameters),
    title: method.title,
    source: method.source,
    href: `runs/${fileName(run.id)}.html#${encodeURIComponent(setting.id)}`,
    edits: setting.cases - setting.failed.length,
    failed: setting.failed.length,
    cells: propertyCells(setting),
    ms: milliseconds(efficiency.msPerEdit?.median),
    batch: efficiency.holdsMany,
    date: run.startedAt.slice(0, 10),
    machine: `${machine.cpu}, ${machine.cores} cores, ${machine.backend}`
  }
}
