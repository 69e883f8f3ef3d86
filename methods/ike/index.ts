import { z } from 'zod'
import { UserError } from '../../harness/errors'
import { encodePrompt, type LanguageModel } from '../../harness/model'
import { defineMethod } from '../types'
import { type Demonstration, demonstrationsOf, factText, openText, queryText } from './demonstrations'
import { embed, nearest } from './similarity'

/** Names as in EasyEdit's hparams files, where it has them. */
const hyperparameters = z.strictObject({
  k: z
    .int()
    .min(0)
    .default(16)
    .describe('Demonstrations before the fact; 0 gives the fact alone (EasyEdit calls that ICE)'),
  room: z
    .int()
    .min(1)
    .default(64)
    .describe(
      "Tokens of the model's context that are left for a question and its answer; demonstrations that do not fit are left out, the least similar first"
    )
})

const learnt = z.object({ demonstrations: z.array(z.object({ fact: z.string(), text: z.string() })) })

/** In-context knowledge editing: the fact and demonstrations that resemble it stand before every question. */
export const ike = defineMethod({
  name: 'ike',
  title: 'IKE',
  family: 'knowledge-cache',
  source: 'Zheng et al. 2023, arXiv 2305.12740',
  holdsMany: false,
  hyperparameters,
  passesPerToken: () => 0,
  trainedBy: [],

  /** Makes the demonstrations of a training set, and their embeddings. */
  async train(model, cases, _, { onProgress, log }) {
    const demonstrations: Demonstration[] = []
    for await (const editCase of cases) demonstrations.push(...demonstrationsOf(editCase))
    if (demonstrations.length === 0) throw new UserError('no case to demonstrate edits by', { place: 'train_on' })
    const { dim } = model.config
    const data = new Float32Array(demonstrations.length * dim)
    for (let start = 0; start < demonstrations.length; start += 256) {
      const some = demonstrations.slice(start, start + 256).map((d) => d.text)
      data.set(embed(model, some), start * dim)
      onProgress({ step: start + some.length, steps: demonstrations.length })
    }
    log(`${demonstrations.length} demonstrations`)
    return { tensors: { embeddings: { shape: [demonstrations.length, dim], data } }, json: { demonstrations } }
  },

  async prepare(_, __, ___, artifact) {
    const { demonstrations } = learnt.parse(artifact?.json)
    return { demonstrations, embeddings: artifact!.tensors.embeddings!.data }
  },

  async *edit(model, groups, h, _, { demonstrations, embeddings }) {
    for (const requests of groups) {
      const [{ prompt, target }] = requests as [(typeof requests)[number]]
      const fact = factText(prompt, target)
      const query = embed(model, [queryText(prompt, target)])
      const chosen = nearest(query, embeddings, h.k, (i) => demonstrations[i]!.fact !== fact)
      const texts = fitting(
        model,
        chosen.map((i) => demonstrations[i]!.text),
        openText(fact),
        h.room
      )
      const flops = 2 * embeddings.length
      yield [
        {
          method: 'ike',
          requests,
          parts: [{ kind: 'prefix', text: [...texts, openText(fact)].join('') }],
          diagnostics: { flops, values: { demonstrations: texts.length } }
        }
      ]
    }
  }
})

/** The most similar demonstrations that leave room for a question. */
function fitting(model: LanguageModel, texts: readonly string[], last: string, room: number): readonly string[] {
  for (let count = texts.length; count > 0; count--) {
    const some = texts.slice(0, count)
    const length = encodePrompt(model.tokenizer, [...some, last].join('')).length
    if (length + room <= model.config.maxPositions) return some
  }
  return []
}
