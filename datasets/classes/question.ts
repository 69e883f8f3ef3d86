import { z } from 'zod'
import type { EditRequest } from '../../harness/edit'
import type { Probe, Property } from '../types'

/*
 * Datasets that were made for classifiers: their papers put a head of a few classes on an encoder. A language model is asked in words, and the likeliest of
 * the classes' words is its label (`label-accuracy`).
 */

/** How a text is put as a question, and what the classes are called there. */
export interface Wording {
  /** `{}` is where the text goes. */
  readonly question: string
  /** The words of every class, in its order. */
  readonly labels: readonly string[]
}

/** A switch for the question of a dataset. */
export const questionSwitch = (question: string) =>
  z
    .string()
    .refine((q) => q.split('{}').length === 2 && !q.endsWith(' '), "must hold '{}' once, and end without a space")
    .default(question)
    .describe("How a text is put as a question, '{}' where it goes; the label follows after one space")

const put = ({ question }: Wording, text: string): string => question.replace('{}', () => text)

/** The edit of a text to a class. Its subject is the text itself: these files name none. */
export const requestOf = (words: Wording, text: string, label: number): EditRequest => ({
  prompt: put(words, text),
  subject: text,
  subjectAt: words.question.indexOf('{}'),
  target: words.labels[label]!
})

export const labelProbe = (words: Wording, property: Property, kind: string, text: string, label: number): Probe => ({
  property,
  kind,
  prompt: put(words, text),
  expected: [words.labels[label]!],
  choices: { texts: words.labels, right: label }
})

/** A text whose label must stay what the model says it is. */
export const labelStays = (words: Wording, kind: string, text: string): Probe => ({
  property: 'locality',
  kind,
  prompt: put(words, text),
  expected: 'same-as-before',
  choices: { texts: words.labels }
})

/** The first so many words: models have room for so much. */
export const firstWords = (text: string, most: number): string => text.trim().split(/\s+/).slice(0, most).join(' ')
