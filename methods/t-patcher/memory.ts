import { UserError } from '../../harness/errors'
import { batchesByLength, type LanguageModel, padBatch } from '../../harness/model'
import { joined, valuesOf } from '../../harness/tensor'
import { sampleRows } from '../corpus-rows'
import { lastMlp } from '../last-mlp/lessons'
import type { PrepareContext } from '../types'

/** What enters the last MLP at tokens of other texts, where patches are to be silent: `[tokens, dim]` each. */
export interface Memory {
  /** Trained against. */
  readonly train: Float32Array
  /** Tells when to stop. */
  readonly val: Float32Array
}

/** Of texts of a corpus so many tokens, and a quarter as many of others; never a text's first token. @throws UserError when there is no corpus */
export function memoryOf(model: LanguageModel, tokens: number, { corpus, keep, onSetup }: PrepareContext): Memory {
  if (corpus === undefined)
    throw new UserError(`patches are kept silent on a text corpus, and ${model.name} comes with none`, {
      place: 'corpus',
      hint: 'name one in the config: corpus: FILE, a document a line'
    })
  let how: 'computed' | 'cached' = 'cached'
  const memory = keep(JSON.stringify(['t-patcher memory', model.hash, corpus.id, tokens]), () => {
    how = 'computed'
    const rows = sampleRows(model, corpus, Math.ceil(1.25 * tokens))
    const { dim } = model.config
    const all = queriesOf(model, rows)
    const cut = Math.min(tokens, Math.floor((0.8 * all.length) / dim)) * dim
    return { train: all.subarray(0, cut), val: all.subarray(cut) }
  })
  onSetup?.('memory of other texts', how)
  return memory
}

/** In the order of the texts. */
function queriesOf(model: LanguageModel, rows: readonly (readonly number[])[]): Float32Array {
  const site = `${lastMlp(model)}:in`
  const { dim, layers } = model.config
  const found = new Array<Float32Array>(rows.length)
  for (const batch of batchesByLength(rows.map((r) => r.length))) {
    const { seq, ...tokens } = padBatch(batch.map((i) => rows[i]!))
    const inputs = valuesOf(() => model.forward({ seq, ...tokens }, { to: layers, capture: [site] }).captured[site]!)
    for (const [k, i] of batch.entries())
      found[i] = inputs.slice((k * seq + 1) * dim, (k * seq + Math.max(1, rows[i]!.length)) * dim)
  }
  return joined(found)
}
