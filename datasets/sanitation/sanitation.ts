import { z } from 'zod'
import { randomStream } from '../../harness/random'
import { datasetOfFiles, fileLayout } from '../from-files'
import { draw, poolOf } from '../pool'
import type { Probe } from '../types'

const text = z.string().trim().min(1)

/** A question whose answer is to be forgotten, and one whose answer is to stay. */
const forgotten = z.object({ question: text, subject: text.nullish(), ground_truth: text, target_new: text })
const kept = z.object({ question: text, ground_truth: text })

const FORGET = ['success', 'K_F']
const KEEP = ['locality', 'K_R']
const OTHERS = 3

export const sanitation = datasetOfFiles(
  {
    name: 'sanitation',
    title: 'Sanitation',
    source: 'Ishibashi and Shimodaira 2023, arXiv 2309.11852; as of KnowEdit: Zhang et al. 2024, arXiv 2401.01286',
    license: 'MIT'
  },
  "KnowEdit, benchmark/trivia (Hugging Face: 'zjunlp/KnowEdit')",
  [
    fileLayout({
      name: "KnowEdit's Sanitation",
      keys: ['question', 'ground_truth', 'target_new'],
      lists: FORGET,
      schema: forgotten,
      toCase(r, index, { stays, seed }: { stays: readonly z.output<typeof kept>[]; seed: number }) {
        // The whole question where the file names no subject.
        const at = r.subject ? r.question.indexOf(r.subject) : -1
        const subject = at < 0 ? r.question : r.subject!
        const others = draw(stays, OTHERS, randomStream(seed, 'sanitation', index), () => true)
        return {
          id: `sanitation-${index}`,
          requests: [
            {
              prompt: r.question,
              subject,
              subjectAt: Math.max(0, at),
              target: r.target_new,
              previousTarget: r.ground_truth
            }
          ],
          probes: [
            { property: 'accuracy', kind: 'forgotten', prompt: r.question, expected: [r.target_new] },
            ...others.map(
              (o): Probe => ({
                property: 'locality',
                kind: 'kept',
                prompt: o.question,
                expected: 'same-as-before',
                gold: o.ground_truth
              })
            )
          ]
        }
      }
    })
  ],
  z.strictObject({}),
  (_, { source, seed }) => ({
    stays: poolOf(source, kept, (r, list) => (list !== undefined && KEEP.includes(list) ? [r] : []), [
      ...FORGET,
      ...KEEP
    ]),
    seed
  })
)
