import { z } from 'zod'
import { randomStream } from '../../harness/random'
import { datasetOfFiles, fileLayout } from '../from-files'
import { draw, poolOf } from '../pool'
import type { PlacelessCase } from '../records'
import type { Probe } from '../types'

const text = z.string().trim().min(1)
const id = z.union([z.number(), z.string()])

/** A question of Natural Questions with a time or a place that its answer depends on. */
const situated = z.object({ id, question: text, edited_question: text, answer: z.array(text).min(1) })

/** A question and its short answers, as CaliNet stores Natural Questions. */
const plain = z.object({ id, question: text, answers: z.array(text).min(1) })

const LISTS = ['data']
const OTHERS = 2

interface Known {
  readonly question: string
  readonly answer: string
}
interface Questions {
  readonly others: readonly Known[]
  readonly seed: number
}

/** Every question the file has. */
const questionsIn = (source: string): Known[] => [
  ...poolOf(source, plain, (r) => [{ question: r.question, answer: r.answers[0]! }], LISTS),
  ...poolOf(source, situated, (r) => [{ question: r.edited_question, answer: r.answer[0]! }])
]

/** The subject is the whole question: these files name none. */
function questionCase(
  key: string,
  question: string,
  answers: readonly string[],
  rephrased: readonly string[],
  { others, seed }: Questions
): PlacelessCase {
  const elsewhere = draw(others, OTHERS, randomStream(seed, 'nq', key), (o) => !sameTopic(o.question, question))
  return {
    id: `nq-${key}`,
    requests: [{ prompt: question, subject: question, subjectAt: 0, target: answers[0]! }],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt: question, expected: answers },
      ...rephrased.map(
        (prompt): Probe => ({ property: 'generality', kind: 'without-context', prompt, expected: answers })
      ),
      ...elsewhere.map(
        (o): Probe => ({
          property: 'locality',
          kind: 'unrelated',
          prompt: o.question,
          expected: 'same-as-before',
          gold: o.answer
        })
      )
    ]
  }
}

/** The same question in another context is no unrelated one. */
const sameTopic = (a: string, b: string): boolean => a.startsWith(b.slice(0, 20)) || b.startsWith(a.slice(0, 20))

export const nqSituatedQa = datasetOfFiles(
  {
    name: 'nq-situatedqa',
    title: 'NQ-SituatedQA',
    source: 'Zhang and Choi 2021, arXiv 2109.06157; Kwiatkowski et al. 2019',
    license: 'Apache-2.0 (SituatedQA), CC BY-SA 3.0 (Natural Questions)'
  },
  'situatedqa.github.io, or github.com/dqxiu/CaliNet for Natural Questions',
  [
    fileLayout({
      name: "SituatedQA's lines",
      keys: ['question', 'edited_question', 'answer'],
      schema: situated,
      // The same question stands there with many dates: its number alone does not name it.
      toCase: (r, index, all: Questions) =>
        questionCase(`${r.id}-${index}`, r.edited_question, r.answer, [r.question], all)
    }),
    fileLayout({
      name: "CaliNet's Natural Questions",
      keys: ['question', 'answers'],
      lists: LISTS,
      schema: plain,
      toCase: (r, _, all: Questions) => questionCase(String(r.id), r.question, r.answers, [], all)
    })
  ],
  z.strictObject({}),
  (_, { source, seed }): Questions => ({ others: questionsIn(source), seed })
)
