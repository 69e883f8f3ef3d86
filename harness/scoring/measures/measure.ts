import type { Probe, Property } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import type { AnswerRow } from '../../results/rows'

/** A stored answer has two sides: what the model said before the edit, and after it. */
export type Side = 'before' | 'after'

/** A number that answers come to. A new one is a file and a line in `measures/index.ts`; datasets name those that they report. */
export interface Measure {
  readonly name: string
  readonly title: string
  readonly source: string
  readonly higherIsBetter: boolean
  /** Least and largest value. */
  readonly bounds: readonly [number, number]
  /** Measures whose numbers may stand in one column with it: they decide the same thing in the same way. */
  readonly comparableWith: readonly string[]
  /** What a model must be able to do. */
  readonly needs: 'choices' | 'likelihood' | 'generation'
  /** Continuations of a probe's prompt that are scored for it, besides the accepted answers, by name. */
  continuations?(probe: Probe): Readonly<Record<string, string>>
  /** What is stored of them, by name: kept with the answer, once before and once after the edit. */
  scores?(scored: Readonly<Record<string, TargetScore>>): Readonly<Record<string, number>>
  /** The value of one answer; undefined where it measures nothing. */
  value(row: AnswerRow, side: Side): number | undefined
  /** What the mean over a property is called, where papers have a name for it. */
  readonly labels?: Readonly<Partial<Record<Property, string>>>
  /** A number made of the means of the properties; undefined when one of them is missing. */
  readonly composite?: {
    readonly label: string
    of(means: Readonly<Partial<Record<Property, number>>>): number | undefined
  }
}

/** Among a row's scores: whether the unedited model knows what its question takes for granted, 1 or 0; missing where nothing is said of that. */
export const BASE_KNOWS = 'base_knows'

/** How a score is called in a row's map: `better_nll.after`. */
export const scoreKey = (name: string, side: Side): string => `${name}.${side}`
