import { z } from 'zod'
import { randomStream } from '../../harness/random'
import { datasetOfFiles, fileLayout } from '../from-files'
import { draw, poolOf } from '../pool'
import { changesNothing, present } from '../probes'
import { Unusable } from '../records'
import { labelProbe, labelStays, questionSwitch, requestOf, type Wording } from './question'

const text = z.string().trim().min(1)
const LABELS = ['REFUTES', 'SUPPORTS']
const label = z.enum(LABELS as ['REFUTES', 'SUPPORTS'])

/** A claim with what a classifier says of it, and the other label (nicola-decao/KnowledgeEditor, binary_augmented_kilt.py). */
const record = z.object({
  id: z.union([z.string(), z.number()]).nullish(),
  input: text,
  prediction: label,
  alternatives: z.array(label),
  filtered_rephrases: z.array(z.string()).default([])
})

const OTHERS = 2

interface Read {
  readonly words: Wording
  readonly claims: readonly string[]
  readonly seed: number
}

export const fever = datasetOfFiles(
  {
    name: 'fever',
    title: 'FEVER',
    source: 'Thorne et al. 2018; with predictions and rephrases of De Cao et al. 2021, arXiv 2104.08164',
    license: 'CC BY-SA 3.0',
    measures: ['label-accuracy']
  },
  'github.com/nicola-decao/KnowledgeEditor, fever-train-kilt.jsonl and fever-dev-kilt.jsonl',
  [
    fileLayout({
      name: "KnowledgeEditor's FEVER",
      keys: ['input', 'prediction', 'alternatives', 'filtered_rephrases'],
      schema: record,
      toCase(r, index, { words, claims, seed }: Read) {
        const [alternative] = r.alternatives
        const rephrases = present(r.filtered_rephrases)
        if (alternative === undefined || rephrases.length === 0)
          return new Unusable('no edit', 'no other label, or no rephrase: the official loader leaves it out')
        if (changesNothing(alternative, r.prediction))
          return new Unusable('no edit', `the new label '${alternative}' is the old one`)
        const wanted = LABELS.indexOf(alternative)
        const others = draw(claims, OTHERS, randomStream(seed, 'fever', index), (c) => c !== r.input)
        return {
          id: `fever-${r.id ?? index}`,
          requests: [requestOf(words, r.input, wanted)],
          probes: [
            labelProbe(words, 'accuracy', 'rewrite', r.input, wanted),
            ...rephrases.map((claim) => labelProbe(words, 'generality', 'paraphrase', claim, wanted)),
            ...others.map((claim) => labelStays(words, 'other-claim', claim))
          ]
        }
      }
    })
  ],
  z.strictObject({ question: questionSwitch('Claim: {} True or false? Answer:') }),
  ({ question }, { source, seed }): Read => ({
    words: { question, labels: ['false', 'true'] },
    claims: poolOf(source, record, (r) => [r.input]),
    seed
  })
)
