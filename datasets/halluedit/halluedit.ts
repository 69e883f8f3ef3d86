import { z } from 'zod'
import { datasetOfFiles, fileLayout } from '../from-files'
import { present } from '../probes'
import { placeSubject, Unusable } from '../records'
import type { Probe } from '../types'

const text = z.string().trim().min(1)
const optional = z.string().nullish()
const HOPS = [2, 3, 4, 5, 6] as const

/** A row of a topic's table, of one model's hallucinations; its columns `output_MODEL` and `eval_MODEL` are not needed. */
const record = z.looseObject({
  subject: text,
  object: text,
  question: text,
  paraphrased_question: optional,
  multiple_choice_with_letters: optional,
  multiple_choice_labels: optional,
  yes_question: optional,
  no_question: optional,
  locality_question: optional,
  reversed_relation_question: optional
})

export const halluedit = datasetOfFiles(
  {
    name: 'halluedit',
    title: 'HalluEditBench',
    source: 'Huang et al. 2025, arXiv 2410.16251',
    license: 'MIT'
  },
  'github.com/llm-editing/HalluEditBench, data/questions/hallucination_final',
  [
    fileLayout({
      name: "HalluEditBench's tables",
      keys: ['subject', 'object', 'question', 'paraphrased_question', 'locality_question'],
      schema: record,
      toCase(r, index) {
        const subjectAt = placeSubject(r.question, r.subject)
        if (subjectAt instanceof Unusable) return subjectAt
        const ask = (property: Probe['property'], kind: string, prompt: unknown, answer: unknown): Probe[] => {
          const [question] = present([typeof prompt === 'string' ? prompt : undefined])
          const [expected] = present([typeof answer === 'string' ? answer : undefined])
          if (question === undefined || expected === undefined) return []
          return [{ property, kind, prompt: question, expected: [expected.trim()] }]
        }
        return {
          id: `halluedit-${index}`,
          requests: [{ prompt: r.question, subject: r.subject, subjectAt, target: r.object }],
          probes: [
            ...ask('accuracy', 'rewrite', r.question, r.object),
            ...ask('generality', 'paraphrase', r.paraphrased_question, r.object),
            ...ask('generality', 'yes', r.yes_question, 'Yes'),
            ...ask('generality', 'no', r.no_question, 'No'),
            ...ask('generality', 'multiple-choice', letters(r), r.multiple_choice_labels),
            ...ask('portability', 'reversed', r.reversed_relation_question, r.subject),
            ...HOPS.flatMap((n) => ask('portability', `${n}-hop`, r[`question_${n}hop`], r[`answer_${n}hop`])),
            ...present([r.locality_question]).map(
              (prompt): Probe => ({ property: 'locality', kind: 'unrelated', prompt, expected: 'same-as-before' })
            )
          ]
        }
      }
    })
  ]
)

const letters = ({ question, multiple_choice_with_letters: choices }: z.output<typeof record>): string | undefined =>
  present([choices]).map((c) => `${question}\n${c}`)[0]
