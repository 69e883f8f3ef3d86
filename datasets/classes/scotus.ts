import { z } from 'zod'
import { randomStream } from '../../harness/random'
import { datasetOfFiles, fileLayout } from '../from-files'
import { draw, poolOf } from '../pool'
import { Unusable } from '../records'
import { firstWords, labelProbe, labelStays, questionSwitch, requestOf, type Wording } from './question'

const record = z.object({ text: z.string().trim().min(1), label: z.coerce.number().int().min(0) })

const OTHERS = 2

const switches = z.strictObject({
  question: questionSwitch('{} Issue area:'),
  labels: z
    .array(z.string().trim().min(1))
    .optional()
    .describe('What the classes are called, in the order of their numbers; the numbers themselves when missing'),
  words: z.number().int().min(1).default(300).describe('Words of an opinion that are read, from its beginning')
})

interface Read {
  readonly words: Wording
  readonly most: number
  readonly texts: readonly string[]
  readonly seed: number
}

export const scotus = datasetOfFiles(
  {
    name: 'scotus',
    title: 'SCOTUS',
    source:
      'Chalkidis et al. 2022, arXiv 2203.07228 (Fairlex); as streamed by Hartvigsen et al. 2023, arXiv 2211.11031 (GRACE)',
    license: 'not stated',
    measures: ['label-accuracy']
  },
  'Hugging Face: tomh/grace-scotus',
  [
    fileLayout({
      name: "GRACE's opinions",
      keys: ['text', 'label'],
      without: ['claim', 'subject'],
      schema: record,
      toCase({ text, label }, index, { words, most, texts, seed }: Read) {
        if (label >= words.labels.length)
          return new Unusable('malformed', `'label' is ${label}, there are ${words.labels.length} classes`)
        const opinion = firstWords(text, most)
        const others = draw(texts, OTHERS, randomStream(seed, 'scotus', index), (t) => t !== opinion)
        return {
          id: `scotus-${index}`,
          requests: [requestOf(words, opinion, label)],
          probes: [
            labelProbe(words, 'accuracy', 'rewrite', opinion, label),
            ...others.map((t) => labelStays(words, 'other-opinion', t))
          ]
        }
      }
    })
  ],
  switches,
  ({ question, labels, words: most }, { source, seed }): Read => {
    const all = poolOf(source, record, (r) => [r])
    const classes = Math.max(0, ...all.map((r) => r.label)) + 1
    return {
      words: { question, labels: labels ?? Array.from({ length: classes }, (_, i) => String(i)) },
      most,
      texts: all.map((r) => firstWords(r.text, most)),
      seed
    }
  }
)
