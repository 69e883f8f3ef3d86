import { GENERAL, type Probe } from '../../../datasets/types'
import type { TargetScore } from '../../model'
import { choicesOf, choiceTexts } from './labels'
import { DIVERGENCE, type Measure, scoreKey } from './measure'

/*
 * General ability at the checkpoints of a sequence: the alarm for a model that its edits have ruined. Asked of texts and questions that have nothing to
 * do with them.
 */

const shared = { about: GENERAL, headline: true, needs: 'likelihood' } as const

/** Bits a byte of all texts together, which unlike perplexity does not depend on the tokenizer. */
export const bitsPerByte: Measure = {
  ...shared,
  name: 'general-text',
  title: 'General text',
  source: 'EleutherAI/lm-evaluation-harness, bits_per_byte',
  higherIsBetter: false,
  bounds: [0, Number.POSITIVE_INFINITY],
  comparableWith: ['general-text'],
  unit: 'number',
  labels: { locality: 'bits a byte' },
  continuations: ({ kind, gold }: Probe): Record<string, string> =>
    kind === 'general-text' && gold !== undefined ? { general: gold } : {},
  scores({ general }: Readonly<Record<string, TargetScore>>, { gold = '' }: Probe): Record<string, number> {
    if (general === undefined) return {}
    const bits = general.nll.reduce((a, b) => a + b, 0) / Math.LN2
    // The space before it is scored as well.
    const bytes = Buffer.byteLength(gold) + 1
    return { bits_per_byte: bits / bytes, bytes }
  },
  value: ({ scores }, side) => scores[scoreKey('bits_per_byte', side)],
  pooled: {
    value: ({ scores }, side) => scores[scoreKey('bits_per_byte', side)],
    weight: ({ scores }) => scores[scoreKey('bytes', 'before')] ?? 0,
    of: (mean) => mean
  }
}

/** KL from the unedited model on the same texts, mean over their tokens: more sensitive than their likelihood. */
export const generalDivergence: Measure = {
  ...shared,
  name: 'general-divergence',
  title: 'General text',
  source: 'zjunlp/EasyEdit, easyeditor/evaluate, kl_loc_loss',
  higherIsBetter: false,
  bounds: [0, Number.POSITIVE_INFINITY],
  comparableWith: ['general-divergence'],
  unit: 'number',
  diverges: true,
  labels: { locality: 'KL of general text' },
  value({ kind, scores }, side) {
    const kl = kind === 'general-text' ? scores[scoreKey(DIVERGENCE, 'after')] : undefined
    return kl === undefined ? undefined : side === 'after' ? kl : 0
  }
}

/** Right choices: of the answers the one with the largest likelihood is the right one; the first of equals. */
export const choiceAccuracy: Measure = {
  ...shared,
  name: 'general-choice',
  title: 'General choices',
  source: 'EleutherAI/lm-evaluation-harness, acc',
  higherIsBetter: true,
  bounds: [0, 1],
  comparableWith: ['general-choice'],
  unit: 'share',
  labels: { locality: 'right choices' },
  continuations: choiceTexts,
  scores(scored: Readonly<Record<string, TargetScore>>, probe: Probe): Record<string, number> {
    const nll = choicesOf(probe, scored)
    if (nll.length === 0) return {}
    const { texts, right } = probe.choices!
    const each = nll.map((n, i) => n / [...texts[i]!].length)
    return { chosen: Number(likeliest(nll) === right), chosen_by_character: Number(likeliest(each) === right) }
  },
  value: ({ scores }, side) => scores[scoreKey('chosen', side)]
}

/** The same by the likelihood a character, so that a long answer is not worse for its length: what tasks with whole sentences as answers report. */
export const choiceAccuracyByCharacter: Measure = {
  ...choiceAccuracy,
  name: 'general-choice-by-character',
  title: 'General choices, by likelihood a character',
  source: 'EleutherAI/lm-evaluation-harness, acc_norm',
  comparableWith: ['general-choice-by-character'],
  headline: false,
  labels: { locality: 'right choices by character' },
  value: ({ scores }, side) => scores[scoreKey('chosen_by_character', side)]
}

/** The first of equals. */
const likeliest = (nll: readonly number[]): number => nll.indexOf(Math.min(...nll))
