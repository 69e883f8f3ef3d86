import { inUnit } from '../terminal'
import type { History, HistoryStep, RunAbout, Series } from './history'

/* How a history reads: cells of its tables and sentences, for terminals, pages and feeds alike. */

/** What a line of a history is about. */
export const seriesName = ({ label, model, dataset, protocol }: Omit<Series, 'points' | 'steps'>): string =>
  `${label} on ${model}, ${dataset}${protocol === 'single' ? '' : `, ${protocol}`}`

/** A share in percent, a time, or a number. */
export const seriesValue = ({ unit }: Pick<Series, 'unit'>, value: number): string =>
  unit === 'ms' ? `${value.toFixed(1)} ms` : inUnit(unit, value)

export const SERIES_HEADER = ['setting', 'what', 'runs', 'first', 'lowest', 'highest', 'last', 'trend']

export function seriesCells(series: Series): string[] {
  const values = series.points.map((p) => p.value)
  const of = (value: number) => seriesValue(series, value)
  return [
    seriesName(series),
    series.what,
    String(values.length),
    of(values[0]!),
    of(values.reduce((a, b) => Math.min(a, b))),
    of(values.reduce((a, b) => Math.max(a, b))),
    of(values.at(-1)!),
    spark(values.slice(-SPARKS))
  ]
}

/** Runs that a trend on a terminal shows. */
const SPARKS = 30
const BARS = '▁▂▃▄▅▆▇█'

/** Values as bars between the lowest and the highest; all alike are one line. */
function spark(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const bar = (v: number) => BARS[high === low ? 3 : Math.round(((v - low) / (high - low)) * (BARS.length - 1))]
  return values.map(bar).join('')
}

/** A step in a sentence. */
export function stepText(series: Series, { before, after, p, lost: fell, won: rose, changed }: HistoryStep): string {
  const [lost, won] = series.higherIsBetter ? [fell, rose] : [rose, fell]
  const cases = lost === undefined ? '' : `${lost} edits lost, ${won} won, `
  const how = `${cases}p ${p < 0.001 ? '< 0.001' : p.toFixed(3)}`
  const since = changed.length === 0 ? 'nothing that a manifest names changed' : `changed: ${changed.join(', ')}`
  return `${seriesName(series)}: ${series.what} ${seriesValue(series, before)} → ${seriesValue(series, after)}${series.unit === 'share' ? ' %' : ''} (${how}); ${since}`
}

/** Whether a step is for the worse. */
export const worsens = ({ higherIsBetter }: Pick<Series, 'higherIsBetter'>, { before, after }: HistoryStep): boolean =>
  higherIsBetter ? after < before : after > before

/** All steps, the newest first. */
export function stepsOf({ runs, series }: History): { run: RunAbout; series: Series; step: HistoryStep }[] {
  const places = new Map(runs.map((run, i) => [run.id, i]))
  const steps = series.flatMap((of) =>
    of.steps.map((step) => ({ run: runs[places.get(step.run)!]!, series: of, step }))
  )
  return steps.sort((a, b) => places.get(b.run.id)! - places.get(a.run.id)!)
}
