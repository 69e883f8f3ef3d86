import type { Continued, Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import type { AnswerRow } from '../../results/rows'
import { mean } from '../../statistics/intervals'
import { type Measure, type Moment, scoreKey } from './measure'

/*
 * Edits that contradict each other, and edits that are taken back (Li et al. 2024, "Unveiling the Pitfalls of Knowledge Editing";
 * zjunlp/PitfallsKnowledgeEditing, experiments/summarize.py). Probabilities are those of a token: exp of the mean log likelihood, averaged over prompts.
 */

type Scored = Readonly<Record<string, TargetScore>>

const SOURCE = 'Li et al. 2024, arXiv 2310.02129; zjunlp/PitfallsKnowledgeEditing, summarize.py'

/** Each text by a name of its own. */
const named = (name: string, texts: readonly Continued[]): Record<string, readonly Continued[]> =>
  Object.fromEntries(texts.map((text, i) => [`${name}_${i}`, [text]]))

/** The probability of what is said in several ways, of which each has a name. */
function probabilityOf(name: string, scored: Scored): number | undefined {
  const ways = Object.entries(scored).flatMap(([key, { nll }]) =>
    key.startsWith(`${name}_`) ? [Math.exp(-mean(nll))] : []
  )
  return ways.length === 0 ? undefined : mean(ways)
}

const [LATER, EARLIER, TIED] = ['later', 'earlier', 'tied']

const shared = {
  source: SOURCE,
  needs: 'likelihood',
  headline: true,
  unit: 'share',
  continuations({ kind, sides }: Probe): Readonly<Record<string, readonly Continued[]>> {
    if (kind === 'later-edit') return { ...named(LATER, sides!.wanted), ...named(EARLIER, sides!.other) }
    return kind === 'tied-fact' ? named(TIED, sides!.wanted) : {}
  },
  scores(scored: Scored): Readonly<Record<string, number>> {
    return Object.fromEntries(
      [LATER, EARLIER, TIED].flatMap((name) => {
        const p = probabilityOf(name, scored)
        return p === undefined ? [] : [[`p_${name}`, p]]
      })
    )
  }
} as const

const at = ({ scores }: AnswerRow, name: string, when: Moment): number | undefined =>
  scores[scoreKey(`p_${name}`, when)]

/** Whether what the later edit says is more probable than what the earlier one said. */
export const conflictScore: Measure = {
  ...shared,
  name: 'conflict-score',
  title: 'Conflict score',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['conflict-score'],
  labels: { accuracy: 'CS' },
  value(row, side) {
    const [later, earlier] = [at(row, LATER, side), at(row, EARLIER, side)]
    return later === undefined || earlier === undefined ? undefined : Number(later > earlier)
  }
}

/** By which share the later edit lowers the probability of what the earlier one had written; -1 where it doubles it or more. */
export const conflictMagnitude: Measure = {
  ...shared,
  name: 'conflict-magnitude',
  title: 'Conflict magnitude',
  higherIsBetter: true,
  bounds: [-1, 1],
  comparableWith: ['conflict-magnitude'],
  labels: { accuracy: 'CM' },
  between: true,
  value(row, side) {
    const [then, now] = [at(row, EARLIER, 'between'), at(row, EARLIER, 'after')]
    if (then === undefined || now === undefined) return undefined
    return side === 'before' ? 0 : Math.max(lost(then, now), -1)
  }
}

/** By which share the edits lower the probability of a fact that what they imply rests on. */
export const tiedFactDamage: Measure = {
  ...shared,
  name: 'tied-fact-damage',
  title: 'Tied fact damage',
  higherIsBetter: false,
  bounds: [Number.NEGATIVE_INFINITY, 1],
  comparableWith: ['tied-fact-damage'],
  labels: { locality: 'TFD' },
  value(row, side) {
    const [before, now] = [at(row, TIED, 'before'), at(row, TIED, side)]
    return before === undefined || now === undefined ? undefined : lost(before, now)
  }
}

/** Of nothing nothing is lost. */
const lost = (before: number, now: number): number => (before === 0 ? 0 : (before - now) / before)

const ANSWER = 'answer'

const round = {
  source: SOURCE,
  needs: 'likelihood',
  headline: true,
  higherIsBetter: false,
  continuations: ({ answers = [] }: Probe): Readonly<Record<string, readonly Continued[]>> =>
    Object.assign({}, ...answers.map((ways, i) => named(`${ANSWER}_${i}`, ways))),
  scores(scored: Scored, { answers = [] }: Probe): Readonly<Record<string, number>> {
    return Object.fromEntries(answers.map((_, i) => [`p_${ANSWER}_${i}`, probabilityOf(`${ANSWER}_${i}`, scored)!]))
  }
} as const

/** Probabilities of the answers that were right: of the one that was edited away and back, and of the others. */
function answersOf(row: AnswerRow, side: Moment): number[] {
  const all: number[] = []
  for (let i = 0; ; i++) {
    const p = at(row, `${ANSWER}_${i}`, side)
    if (p === undefined) return all
    all.push(p)
  }
}

/** Jensen-Shannon divergence of the right answers' probabilities from those before, in nats, divided by their number as the official code's KLDivLoss does. */
export const distortion: Measure = {
  ...round,
  name: 'distortion',
  title: 'Distortion',
  bounds: [0, Math.LN2],
  comparableWith: ['distortion'],
  unit: 'number',
  labels: { locality: 'D' },
  value(row, side) {
    const [p, q] = [share(answersOf(row, side)), share(answersOf(row, 'before'))]
    if (p.length === 0) return undefined
    const between = p.map((x, i) => (x + q[i]!) / 2)
    return (divergence(p, between) + divergence(q, between)) / 2 / p.length
  }
}

function share(values: readonly number[]): number[] {
  const sum = values.reduce((a, b) => a + b, 0)
  return values.map((v) => (sum === 0 ? 0 : v / sum))
}

const divergence = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, x, i) => sum + (x === 0 ? 0 : x * Math.log(x / q[i]!)), 0)

/** The share of the other right answers that are less probable than before. */
export const ignoreRate: Measure = {
  ...round,
  name: 'ignore-rate',
  title: 'Ignored answers',
  bounds: [0, 1],
  comparableWith: ['ignore-rate'],
  unit: 'share',
  labels: { locality: 'IR' },
  value(row, side) {
    const [before, now] = [answersOf(row, 'before'), answersOf(row, side)].map((all) => all.slice(1)) as [
      number[],
      number[]
    ]
    return now.length === 0 ? undefined : mean(now.map((p, i) => Number(before[i]! > p)))
  }
}

/** Whether more than half of the other right answers are less probable than before. */
export const failureRate: Measure = {
  ...ignoreRate,
  name: 'failure-rate',
  title: 'Failures',
  comparableWith: ['failure-rate'],
  labels: { locality: 'FR' },
  value(row, side) {
    const ignored = ignoreRate.value(row, side)
    return ignored === undefined ? undefined : Number(ignored > 0.5)
  }
}
