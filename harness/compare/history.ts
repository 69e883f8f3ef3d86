import { groupBy } from '../group-by'
import { type Columns, rowsOf } from '../results/columns'
import { type MachineAbout, type Manifest, machineName, readManifest, type Setting } from '../results/manifest'
import type { AnswerRow, EditRow } from '../results/rows'
import { refuseForeign } from '../results/runs'
import { answersTable, editsTable } from '../results/tables'
import type { Estimate } from '../scoring/types'
import { estimate, median } from '../statistics/intervals'
import { asked, LINES, lineOf } from './compare'
import { gatePassed } from './find-run'
import { type MeasuredValues, measuredValues } from './measured'
import { type Step, shareSteps, timeSteps } from './steps'
import { Tally } from './tally'

/** What a history says of a run. */
export interface RunAbout {
  readonly id: string
  readonly name: string
  readonly startedAt: string
  readonly version: string
  readonly gitCommit: string | undefined
  readonly machine: MachineAbout
  /** What its gate said; undefined when it was not asked. */
  readonly passed: boolean | undefined
}

/** A run as a history needs it: of every line of it the cases' shares of right answers. */
export interface HistoryRun extends RunAbout {
  readonly lines: readonly HistoryLine[]
}

interface HistoryLine {
  readonly setting: Setting
  readonly protocol: string
  /** Each case's share of right answers by its id, for every property and every kind that is reported apart. */
  readonly shares: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** Each case's value of the headline measures. */
  readonly measured: readonly MeasuredValues[]
  /** Median time per fact; undefined where none was measured. */
  readonly ms: number | undefined
}

/** A run's place in a series. */
export interface Point {
  readonly run: string
  /** A share of right answers, a measure, or milliseconds. */
  readonly value: number
  /** But of times, its 95 % interval. */
  readonly interval: Pick<Estimate, 'low' | 'high'> | null
}

/** A step, and what is not the same before and after it. */
export interface HistoryStep extends Step {
  readonly run: string
  readonly changed: readonly string[]
}

/** One property, a kind of it that is reported apart, a measure of it, or the time, of one setting over many runs that asked the same questions. */
export interface Series {
  readonly label: string
  readonly model: string
  readonly dataset: string
  readonly protocol: string
  /** `locality`; `locality, same-last-part`; `locality, KL`; `time`. */
  readonly what: string
  readonly unit: 'share' | 'number' | 'ms'
  readonly higherIsBetter: boolean
  /** Of times: where they were measured. */
  readonly machine: string | null
  readonly points: readonly Point[]
  readonly steps: readonly HistoryStep[]
}

export interface History {
  readonly name: string
  /** Oldest first. */
  readonly runs: readonly RunAbout[]
  readonly series: readonly Series[]
}

export interface HistoryOptions {
  readonly significance: number
  readonly seed: number
  readonly resamples: number
}

export const HISTORY_DEFAULTS: HistoryOptions = { significance: 0.05, seed: 0, resamples: 1000 }

/** Of the answers. */
export const HISTORY_COLUMNS = [
  'setting',
  'caseId',
  'property',
  'kind',
  'anyOf',
  'held',
  'checkpoint',
  'exactAfter',
  'shareAfter',
  'scores'
] as const satisfies readonly (keyof AnswerRow)[]
const EDIT_COLUMNS = ['setting', 'editMs'] as const satisfies readonly (keyof EditRow)[]

/** Reads what a history needs of a complete run. @throws UserError when its files are not as they were written */
export function readHistoryRun(dir: string): HistoryRun {
  const manifest = readManifest(dir)
  const { files = {} } = manifest
  const answers = answersTable.readColumns(dir, 'answers.arrow', files, HISTORY_COLUMNS)
  const edits = rowsOf(editsTable.readColumns(dir, 'edits.arrow', files, EDIT_COLUMNS), EDIT_COLUMNS)
  return historyRunOf(dir, manifest, answers, edits)
}

/** What a history needs of a run whose rows are there. @throws UserError when they are of another run */
export function historyRunOf(
  dir: string,
  manifest: Manifest,
  answers: Columns<AnswerRow, (typeof HISTORY_COLUMNS)[number]>,
  edits: readonly Pick<EditRow, (typeof EDIT_COLUMNS)[number]>[]
): HistoryRun {
  const { id, name, startedAt, version, gitCommit, machine, settings } = manifest
  const rows = groupBy(Array(answers.length).keys(), (i) => answers.setting.get(i))
  refuseForeign(dir, manifest, [...rows.keys(), ...edits.map((e) => e.setting)])
  const times = groupBy(edits, (e) => e.setting)
  const lines = settings.flatMap((setting) => {
    const own = groupBy(rows.get(setting.id) ?? [], (i) => asked(setting, answers, i))
    const known = (times.get(setting.id) ?? []).flatMap((e) => e.editMs ?? [])
    const ms = known.length === 0 ? undefined : median(known)
    return [...own].flatMap(([protocol, some]) => {
      if (protocol === null) return []
      const lines = groupBy(some, (i) => lineOf(answers, i))
      const shares = [...lines].map(([line, ofLine]) => {
        const byCase = groupBy(ofLine, (i) => answers.caseId.get(i))
        const cases = [...byCase].map(([caseId, questions]): [string, number] => {
          const tally = new Tally()
          for (const i of questions) tally.add(answers.anyOf.get(i), answers.exactAfter.get(i))
          return [caseId, tally.share]
        })
        return [line, new Map(cases)] as const
      })
      const measured = measuredValues(setting.measures, answers, some)
      return [{ setting, protocol, shares: new Map(shares), measured, ms }]
    })
  })
  return { id, name, startedAt, version, gitCommit, machine, passed: gatePassed(dir), lines }
}

/**
 * The history of runs of one name. A series goes over the runs that asked the same questions of the same cases under the same rules; other methods,
 * weights and versions behind one label are what it shows, and what its steps name.
 */
export function historyOf(runs: readonly HistoryRun[], options: HistoryOptions = HISTORY_DEFAULTS): History {
  const inOrder = [...runs].sort((a, b) => a.startedAt.localeCompare(b.startedAt) || (a.id < b.id ? -1 : 1))
  const entries = inOrder.flatMap((run) => run.lines.map((line) => ({ run, line })))
  const ofShares = [...groupBy(entries, ({ line }) => questionsOf(line)).values()].flatMap((own) => [
    ...LINES.flatMap(({ key: what }): Line[] => {
      const some = own.filter(({ line }) => line.shares.has(what))
      return some.length === 0 ? [] : [{ what, own: some, ...EXACT, valuesOf: (line) => line.shares.get(what)! }]
    }),
    ...measuredLines(own)
  ])
  const timed = entries.filter(({ line }) => line.ms !== undefined && !line.protocol.endsWith('asked at the end'))
  const ofTimes = [...groupBy(timed, ({ run, line }) => `${questionsOf(line)} ${machineName(run.machine)}`).values()]
  const lines = ofShares.filter((line) => sharesOf(line).some(unlikeFirst)).length
  const stepOptions = { ...options, lines: Math.max(1, lines) }
  const series = [
    ...ofShares.map((of): Series => {
      const { what, own, unit, higherIsBetter, bounds, valuesOf } = of
      const steps = shareSteps(sharesOf(of), stepOptions)
      const points = own.map(({ run, line }) => {
        const { mean, low, high } = estimate([...valuesOf(line).values()], { ...options, bounds })!
        return { run: run.id, value: mean, interval: { low, high } }
      })
      const about = { ...aboutLine(own.at(-1)!.line), what, unit, higherIsBetter, machine: null }
      return { ...about, points, steps: named(steps, own) }
    }),
    ...ofTimes.map((own): Series => {
      const values = own.map(({ line }) => line.ms!)
      const steps = timeSteps(values, { ...options, lines: ofTimes.length })
      const points = own.map(({ run }, i) => ({ run: run.id, value: values[i]!, interval: null }))
      const machine = machineName(own[0]!.run.machine)
      const about = { what: 'time', unit: 'ms', higherIsBetter: false, machine } as const
      return { ...aboutLine(own.at(-1)!.line), ...about, points, steps: named(steps, own) }
    })
  ]
  const about = ({ lines: _, ...run }: HistoryRun): RunAbout => run
  return { name: inOrder.at(-1)?.name ?? '', runs: inOrder.map(about), series: sorted(series) }
}

/** Series of a setting beside each other, settings in the order of the newest run. */
function sorted(series: readonly Series[]): Series[] {
  const groups = groupBy(series, ({ label, model, dataset, protocol }) =>
    JSON.stringify([label, model, dataset, protocol])
  )
  return [...groups.values()].flat()
}

interface Entry {
  readonly run: HistoryRun
  readonly line: HistoryLine
}

/** All that makes two lines answers to the same questions. */
const questionsOf = ({ setting: { label, model, dataset, scoring }, protocol }: HistoryLine): string =>
  JSON.stringify([
    label,
    model.name,
    dataset.name,
    dataset.hash,
    Object.entries(dataset.options).sort(),
    Object.entries(scoring).sort(),
    protocol
  ])

const aboutLine = ({ setting: { label, model, dataset }, protocol }: HistoryLine) => ({
  label,
  model: model.name,
  dataset: dataset.name,
  protocol
})

/** What a series is made of: of some runs, case by case. */
interface Line extends Pick<Series, 'what' | 'higherIsBetter'> {
  readonly unit: 'share' | 'number'
  readonly bounds: readonly [number, number]
  readonly own: readonly Entry[]
  readonly valuesOf: (line: HistoryLine) => ReadonlyMap<string, number>
}

const EXACT = { unit: 'share', higherIsBetter: true, bounds: [0, 1] } as const

/** The measures that any of the runs has. */
function measuredLines(own: readonly Entry[]): Line[] {
  const found = new Map(own.flatMap(({ line }) => line.measured.map((m) => [m.what, m.measure] as const)))
  return [...found].map(([what, { unit, higherIsBetter, bounds }]) => {
    const of = (line: HistoryLine) => line.measured.find((m) => m.what === what)
    const some = own.filter(({ line }) => of(line) !== undefined)
    return { what, unit, higherIsBetter, bounds, own: some, valuesOf: (line) => of(line)!.values }
  })
}

/** Run by run, the values of all cases that any of them has, in one order; endless ones are as far as any that has an end. */
function sharesOf({ own, valuesOf }: Line): Float64Array[] {
  const maps = own.map(({ line }) => valuesOf(line))
  const cases = [...new Set(maps.flatMap((values) => [...values.keys()]))].sort()
  const most = maps.reduce((m, values) => [...values.values()].reduce(largestFinite, m), 0)
  const number = (value = Number.NaN) =>
    Math.abs(value) === Number.POSITIVE_INFINITY ? Math.sign(value) * most : value
  return maps.map((values) => Float64Array.from(cases, (id) => number(values.get(id))))
}

const largestFinite = (most: number, value: number): number =>
  Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most

const unlikeFirst = (run: Float64Array, _: number, [first]: readonly Float64Array[]): boolean =>
  run.some((share, c) => !Object.is(share, first![c]))

function named(steps: readonly Step[], entries: readonly Entry[]): HistoryStep[] {
  return steps.map((step) => ({
    ...step,
    run: entries[step.at]!.run.id,
    changed: changes(entries[step.at - 1]!, entries[step.at]!)
  }))
}

/** What may be behind a step: all that a manifest says that is not the same in two runs. */
function changes(before: Entry, after: Entry): string[] {
  const short = (commit: string | undefined) => commit?.slice(0, 8) ?? 'none'
  const facts = ({ run, line: { setting } }: Entry): Record<string, string> => ({
    ...{ commit: short(run.gitCommit), version: run.version, node: run.machine.node, backend: run.machine.backend },
    ...{ cpu: run.machine.cpu, workers: String(run.machine.workers), method: setting.method.name },
    ...{ weights: setting.model.hash.slice(0, 8) },
    ...Object.fromEntries(Object.entries(setting.method.hyperparameters).map(([k, v]) => [k, JSON.stringify(v)]))
  })
  const [a, b] = [facts(before), facts(after)]
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => a[key] !== b[key])
  return keys.map((key) => `${key} ${a[key] ?? 'none'} → ${b[key] ?? 'none'}`)
}

/** Complete runs by their name, those of the newest run first. */
export function runsByName(runs: readonly { dir: string; manifest: Manifest }[]): Map<string, string[]> {
  const complete = runs.filter((r) => r.manifest.status === 'complete')
  const groups = groupBy(complete, (r) => r.manifest.name)
  return new Map([...groups].map(([name, own]) => [name, own.map((r) => r.dir)]))
}
