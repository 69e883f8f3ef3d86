import type { Continued, Probe, Property } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import type { AnswerRow } from '../../results/rows'

/** A stored answer has two sides: what the model said before the edit, and after it. */
export type Side = 'before' | 'after'

/** When something is scored: edits that are inserted in an order also have a model between them. */
export type Moment = Side | 'between'

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
  /** Texts that are scored for a probe besides its accepted answers, by name: as what follows its prompt, or several after prompts of their own. */
  continuations?(probe: Probe): Readonly<Record<string, string | readonly Continued[]>>
  /** What is stored of them, by name: kept with the answer, once before and once after the edit. Tokens of several texts follow one another. */
  scores?(scored: Readonly<Record<string, TargetScore>>, probe: Probe): Readonly<Record<string, number>>
  /** Whether the edited model's next-token distributions over the probe's `diverge` texts are compared with the unedited one's. */
  readonly diverges?: boolean
  /** Whether its continuations are also scored under all but the last of edits that are inserted in an order. */
  readonly between?: boolean
  /** The value of one answer; undefined where it measures nothing. */
  value(row: AnswerRow, side: Side): number | undefined
  /** Instead of a mean over cases: answers weigh as much as they have tokens, and the mean of `value` becomes something else at the end. */
  readonly pooled?: {
    value(row: AnswerRow, side: Side): number | undefined
    weight(row: AnswerRow): number
    of(mean: number): number
  }
  /** All answers of a case together, whatever their property, are worth their least; reported under this property. */
  readonly allUnder?: Property
  /** Ways of asking one thing count each, instead of the best of them. */
  readonly eachWay?: boolean
  /** Kinds it is about alone: of those that have measures of their own; without it, all others. */
  readonly about?: readonly string[]
  /** Properties whose share of matching tokens says little where this is measured: they have no grade. */
  readonly ungraded?: readonly Property[]
  /** A share is shown in percent. */
  readonly unit: 'share' | 'number'
  /** Shown in the table of methods, in small print under its property. */
  readonly headline?: boolean
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

/** Among a row's scores: whether a model says one of the probe's `truth`, 1 or 0. */
export const TRUE = 'true'

/** Among a row's scores: whether a model's free answer is right, 1 or 0; for locality whether it is the one before the edit. */
export const FREE = 'free'

/** Among a row's scores: whether a judge takes a model's free answer as right, 1 or 0. */
export const JUDGED = 'judged'

/** Among a row's scores: entropy of the n-grams of what a model writes, and how much it resembles texts about the same. */
export const ENTROPY = 'entropy'
export const SIMILARITY = 'similarity'

/** Among a row's scores after the edit: mean divergence KL(before ‖ after) of a token's distribution, in nats. */
export const DIVERGENCE = 'kl'

/** How a score is called in a row's map: `better_nll.after`. */
export const scoreKey = (name: string, when: Moment): string => `${name}.${when}`
