import { z } from 'zod'
import { randomStream } from '../../harness/random'
import { datasetOfFiles, fileLayout } from '../from-files'
import { draw, poolOf } from '../pool'
import { Unusable } from '../records'
import { labelProbe, labelStays, questionSwitch, requestOf, type Wording } from './question'

const text = z.string().trim().min(1)
const LABELS = ['REFUTES', 'SUPPORTS']
const SUPPORTS = 1

const record = z.object({
  unique_id: text,
  claim: text,
  evidence: text,
  label: z.enum(['SUPPORTS', 'REFUTES', 'NOT ENOUGH INFO']),
  page: z.string().nullish(),
  revision_type: z.string().nullish()
})
type Vitc = z.output<typeof record>

/** Shorter evidence says little: SERAC leaves it out, and sentences that were made up. */
const FEWEST_WORDS = 10
const usable = ({ revision_type, evidence }: Vitc): boolean =>
  revision_type === 'real' && evidence.split(' ').length > FEWEST_WORDS

const OTHERS = 2

interface Read {
  readonly words: Wording
  readonly claims: readonly { readonly claim: string; readonly page: string }[]
  readonly seed: number
}

export const vitaminc = datasetOfFiles(
  {
    name: 'vitaminc',
    title: 'VitaminC-FC',
    source: 'Schuster et al. 2021, arXiv 2103.08541; as edited by Mitchell et al. 2022, arXiv 2206.06520 (SERAC)',
    license: 'CC BY-SA 3.0',
    measures: ['label-accuracy']
  },
  'github.com/TalSchuster/VitaminC',
  [
    fileLayout({
      name: "VitaminC's lines",
      keys: ['unique_id', 'claim', 'evidence', 'label'],
      schema: record,
      toCase(r, index, { words, claims, seed }: Read) {
        if (!usable(r))
          return new Unusable('no edit', `not a real revision, or ${FEWEST_WORDS} words or less: SERAC leaves it out`)
        const page = r.page ?? ''
        const others = draw(claims, OTHERS, randomStream(seed, 'vitaminc', index), (o) => apart(o.page, page))
        // What says nothing about the claim must not decide it.
        const about =
          r.label === 'NOT ENOUGH INFO'
            ? labelStays(words, 'not-enough-info', r.claim)
            : labelProbe(words, 'generality', 'claim', r.claim, LABELS.indexOf(r.label))
        return {
          id: `vitaminc-${r.unique_id}`,
          // The edit is the evidence: that it is true.
          requests: [requestOf(words, r.evidence, SUPPORTS)],
          probes: [
            labelProbe(words, 'accuracy', 'evidence', r.evidence, SUPPORTS),
            about,
            ...others.map((o) => labelStays(words, 'other-claim', o.claim))
          ]
        }
      }
    })
  ],
  z.strictObject({ question: questionSwitch('{} True or false? Answer:') }),
  ({ question }, { source, seed }): Read => ({
    words: { question, labels: ['false', 'true'] },
    claims: poolOf(source, record, (r) => (usable(r) ? [{ claim: r.claim, page: r.page ?? '' }] : [])),
    seed
  })
)

/** Pages of which neither names the other (eric-mitchell/serac, data_classes/vitc.py). */
const apart = (a: string, b: string): boolean => a !== '' && b !== '' && !a.includes(b) && !b.includes(a)
