import { z } from 'zod'
import { type Random, randomStream } from '../../harness/random'
import { datasetOfFiles, fileLayout } from '../from-files'
import type { PlacelessCase } from '../records'
import type { Probe } from '../types'

/** One object of columns: passages, and each one's beginning with a continuation of so many tokens by distilGPT-2. */
const record = z.object({
  n_tokens: z.number().int().min(1),
  original: z.array(z.string()),
  completions: z.array(z.string())
})

const OTHERS = 2

const words = (text: string): string[] => text.trim().split(/\s+/)

/**
 * A text whose end is to be written. Where that begins the model's tokenizer decides (`lastTokens`); here it is cut after as many words.
 * @param drop words that are missing at its beginning
 */
function ending(text: readonly string[], count: number, drop = 0) {
  const at = Math.max(drop + 1, text.length - count)
  return { prompt: text.slice(drop, at).join(' '), target: text.slice(at).join(' ') }
}

function passageCase(
  completion: readonly string[],
  index: number,
  { n_tokens, original }: z.output<typeof record>,
  random: Random
): PlacelessCase {
  const { prompt, target } = ending(completion, n_tokens)
  // MEND takes away up to half of what stands before.
  const shorter = ending(completion, n_tokens, random.integer(Math.floor(words(prompt).length / 2) + 1))
  const others = Array.from({ length: OTHERS }, () => words(random.pick(original))).filter((o) => o.length > 1)
  return {
    id: `wikigen-${index}`,
    lastTokens: n_tokens,
    requests: [{ prompt, subject: prompt, subjectAt: 0, target }],
    probes: [
      { property: 'accuracy', kind: 'rewrite', prompt, expected: [target] },
      { property: 'generality', kind: 'shorter', prompt: shorter.prompt, expected: [target] },
      ...others.map((passage): Probe => {
        const other = ending(passage, Math.ceil(passage.length / 2))
        return {
          property: 'locality',
          kind: 'other-passage',
          prompt: other.prompt,
          expected: 'same-as-before',
          gold: other.target
        }
      })
    ]
  }
}

export const wikigen = datasetOfFiles(
  {
    name: 'wikigen',
    title: 'WikiGen',
    source: 'Mitchell et al. 2022, arXiv 2110.11309 (MEND)',
    license: 'MIT (MEND), CC BY-SA 3.0 (WikiText)',
    measures: ['perplexity']
  },
  "MEND's data, 10token/data/self_sample/train.json and validation.json",
  [
    fileLayout({
      name: "MEND's columns",
      keys: ['n_tokens', 'original', 'completions'],
      schema: record,
      toCase: (r, _, { seed }: { seed: number }) =>
        r.completions.flatMap((text, i) => {
          const completion = words(text)
          return completion.length < 2 ? [] : [passageCase(completion, i, r, randomStream(seed, 'wikigen', i))]
        })
    })
  ],
  z.strictObject({}),
  (_, { seed }) => ({ seed })
)
