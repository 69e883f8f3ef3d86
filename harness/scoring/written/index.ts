import { allSnippets } from '../../../datasets/snippets'
import type { Probe } from '../../../datasets/types'
import { generateEdited, type UnderEdit } from '../../edit'
import { groupBy } from '../../group-by'
import { encodePrompt, type LanguageModel } from '../../model'
import { randomStream } from '../../random'
import { mean } from '../../statistics/intervals'
import { ngramEntropy } from './entropy'
import { TfIdf } from './tf-idf'

/*
 * What models write of themselves, going on from prompts (Meng et al. 2022, section 3.4; kmeng01/rome, eval_utils_counterfact.py, test_generation): whether
 * it is language (fluency), and whether it is what texts about the same say (consistency).
 */

/** Tokens of a text, with its prompt's; of how many likeliest tokens the next one is drawn. */
const [LENGTH, TOP_K] = [100, 5]

/** A probe whose prompts are to be gone on from, and a name by which its random numbers are its own. */
export interface ToWrite extends UnderEdit {
  readonly probe: Probe
  readonly id: string
}

/** The texts of every item, each with the prompt it begins with. The same numbers are drawn before and after an edit. */
export function writtenTexts(model: LanguageModel, items: readonly ToWrite[]): string[][] {
  const { tokenizer } = model
  const rows = items.flatMap(({ probe, id, edit }, item) =>
    probe.writes!.prompts.map((prompt, i) => ({
      item,
      prompt,
      edit,
      ids: encodePrompt(tokenizer, prompt),
      id: `${id} ${i}`
    }))
  )
  const texts: string[][] = items.map(() => [])
  const said = new Map<(typeof rows)[number], readonly number[]>()
  for (const same of groupBy(rows, (row) => row.ids.length).values()) {
    const randoms = same.map(({ id }) => randomStream(0, 'written', id))
    const sample = { topK: TOP_K, random: (item: number) => randoms[item]! }
    const maxNewTokens = Math.max(0, LENGTH - same[0]!.ids.length)
    for (const [i, ids] of generateEdited(model, same, { maxNewTokens, sample, pastEnd: true }).entries())
      said.set(same[i]!, ids)
  }
  for (const row of rows) {
    const ids = [...row.ids, ...said.get(row)!].filter((id) => id !== tokenizer.endOfText)
    texts[row.item]!.push(tokenizer.decode(ids).normalize('NFKD').replaceAll('\n\n', ' '))
  }
  return texts
}

/** Mean entropy of texts' n-grams, in bits. */
export const fluencyOf = (texts: readonly string[]): number => mean(texts.map(ngramEntropy))

const weights = new Map<string, TfIdf>()

/** How alike texts are to those that say the same, 0 to 1; undefined where there are none. */
export function consistencyOf(texts: readonly string[], { writes }: Probe): number | undefined {
  const like = writes?.like
  if (like === undefined || like.texts.length === 0) return undefined
  const weighted = weights.get(like.among) ?? new TfIdf(allSnippets(like.among))
  weights.set(like.among, weighted)
  return weighted.similarity(texts.join(' '), like.texts.join(' '))
}
