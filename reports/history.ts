import type { History, Point, RunAbout, Series } from '../harness/compare/history'
import { seriesName, seriesValue, stepsOf, stepText, worsens } from '../harness/compare/history-text'
import { groupBy } from '../harness/group-by'
import { drawChart, SHARES_GRID } from './chart'
import { loadTemplates, replaceFile } from './render'

/** Where things lie beside a page or feed; what is missing is not linked. */
export interface Links {
  /** The page of a run. */
  readonly hrefOf?: (runId: string) => string
  readonly home?: string
  readonly feed?: string
}

/** Writes the page with the trends of some histories. */
export function writeHistory(file: string, histories: readonly History[], links: Links = {}): void {
  const { layout, history: render } = loadTemplates()
  const body = render({ histories: histories.map((h) => historyView(h, links)) })
  replaceFile(file, layout({ title: 'History', home: links.home ?? null, feed: links.feed ?? null, body }))
}

function historyView(history: History, { hrefOf }: Links) {
  const { name, runs, series } = history
  const settings = groupBy(series, seriesName)
  return {
    name,
    about: `${runs.length} ${runs.length === 1 ? 'run' : 'runs'}, ${day(runs[0]!)} to ${day(runs.at(-1)!)}`,
    steps: stepsOf(history).map(({ run, series: of, step }) => ({
      day: day(run),
      id: run.id,
      href: hrefOf?.(run.id) ?? null,
      text: stepText(of, step),
      worse: worsens(of, step)
    })),
    // Shares have one chart together; other measures, and times of every machine, their own.
    settings: [...settings].map(([title, own]) => ({
      title,
      charts: [
        ...groupBy(own, ({ unit, what, machine }) => (unit === 'share' ? unit : `${what} ${machine}`)).values()
      ].map((some) => chart(some, runs))
    })),
    failed: runs
      .filter((run) => run.passed === false)
      .map((run) => ({ day: day(run), id: run.id, href: hrefOf?.(run.id) ?? null }))
  }
}

/** Series of one unit, over all runs from left to right. */
function chart(series: readonly Series[], runs: readonly RunAbout[]) {
  const places = new Map(runs.map((run, i) => [run.id, i]))
  const x = (id: string) => (runs.length === 1 ? 0.5 : places.get(id)! / (runs.length - 1))
  const runOf = (id: string) => runs[places.get(id)!]!
  const { unit, what, machine } = series[0]!
  const shares = unit === 'share'
  const most = shares ? 1 : niceTop(series.flatMap((s) => s.points.map((p) => p.value)).filter(Number.isFinite))
  const about = (s: Series, { run, value }: Point) =>
    `${day(runOf(run))} ${run}: ${s.what} ${seriesValue(s, value)}${runOf(run).passed === false ? ', its gate failed' : ''}`
  return {
    about: unit === 'ms' ? `median time per fact, ms (${machine})` : shares ? 'right answers, %' : what,
    svg: drawChart({
      title: `${seriesName(series[0]!)}: ${series.map((s) => s.what).join(', ')}, run by run`,
      axis: 'runs',
      ticks: dated(runs).map((run) => ({ x: x(run.id), text: run.startedAt.slice(5, 10) })),
      grid: shares ? SHARES_GRID : [0, 0.5, 1].map((y) => ({ y, text: String(y * most) })),
      marks: series.flatMap((s) => s.steps.map((step) => ({ x: x(step.run), about: stepText(s, step) }))),
      lines: series.map((s) => ({
        name: s.what,
        points: s.points.map((point) => ({
          ...{
            x: x(point.run),
            y: within(point.value / most),
            about: about(s, point),
            bad: runOf(point.run).passed === false
          },
          ...(shares && point.interval !== null ? point.interval : {})
        }))
      }))
    })
  }
}

/** What is endless, or below nothing, is drawn at the edge. */
const within = (y: number): number => Math.min(1, Math.max(0, Number.isNaN(y) ? 1 : y))

const day = ({ startedAt }: RunAbout): string => startedAt.slice(0, 10)

/** At most so many dates below a chart. */
const DATES = 6

/** The runs whose dates stand below a chart: the first, the last, and some between. */
function dated(runs: readonly RunAbout[]): RunAbout[] {
  const gaps = Math.max(1, Math.min(DATES, runs.length) - 1)
  const places = new Set(Array.from({ length: gaps + 1 }, (_, i) => Math.round((i * (runs.length - 1)) / gaps)))
  return [...places].map((i) => runs[i]!)
}

/** The next number after all values with one digit. */
function niceTop(values: readonly number[]): number {
  const most = values.reduce((a, b) => Math.max(a, b), 0)
  const unit = 10 ** Math.floor(Math.log10(Math.max(most, 1e-3)))
  return Math.max(Math.ceil(most / unit), 1) * unit
}
