import { parseArgs } from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import { findDataset, loadCases } from '../datasets'
import { publishedValues } from '../harness/config/published'
import type { Edit, EditRequest } from '../harness/edit'
import { type LanguageModel, openModel } from '../harness/model'
import { describeCorpus, openCorpus } from '../harness/runner/corpus'
import { cacheDir } from '../harness/runner/machine'
import { matmulFlops, useBackend } from '../harness/tensor'
import type { OrtBackend } from '../harness/tensor/onnxruntime/backend'
import { sgemmRate } from '../harness/tensor/sgemm'
import { findMethod } from '../methods'
import { contextOf } from '../methods/context'
import { factOf } from '../methods/locate/facts'

/*
 * What an edit costs alone, beside others, and what a fact costs in an edit of many: seconds, matrix FLOPs, and the share of the rate of a bare product
 * on one thread; and of methods that seek a value the FLOPs of the procedure that was published: the whole model, all positions, all logits.
 * `npm run bench:edit -- [METHOD…] [--model NAME] [--facts 64] [--rounds 1] [--json]`
 */

const METHODS = [
  'ft',
  'ft-l',
  'ft-m',
  'locft-bf',
  'kn',
  'rome',
  'r-rome',
  'memit',
  'emmet',
  'alphaedit',
  'ultraedit',
  'grace',
  't-patcher',
  'calinet'
]

interface Cost {
  readonly seconds: number
  readonly gflop: number
}

interface Line {
  readonly method: string
  readonly facts: number
  /** An edit alone, an edit beside all others, a fact of one edit of all (of methods that hold many). */
  readonly alone: Cost
  readonly together: Cost
  readonly held?: Cost
  /** GFLOP of the published procedure for an edit. */
  readonly reference?: number
}

/**
 * FLOPs of the published search for a value, as often as ours evaluated it: every context and the drift's prompt through the whole model with all logits, the
 * gradient back to the edited block; and two passes of the contexts for the key and the value.
 */
function referenceFlops(
  model: LanguageModel,
  contexts: readonly string[],
  last: number,
  steps: number,
  edit: Edit
): number {
  const evaluations = edit.diagnostics.lossCurve?.length ?? 0
  return edit.requests.reduce((sum, request) => {
    const { contexts: rows, drift } = factOf(model.tokenizer, contexts, request)
    const seq = Math.max(...[...rows, drift].map((r) => r.ids.length))
    const [all, above] = [
      { context: seq, logits: seq },
      { context: seq, logits: seq, from: last + 1 }
    ]
    const forward = model.passFlops(seq, all)
    const back = model.passFlops(seq, { ...above, backward: true }) - model.passFlops(seq, above)
    // The last evaluation of all steps has no gradient there either.
    const gradients = Math.min(evaluations, steps - 1)
    return sum + (rows.length + 1) * (evaluations * forward + gradients * back) + 2 * rows.length * forward
  }, 0)
}

/** What a search for a value knows after its preparation. */
const contextsOf = (prepared: unknown): readonly string[] | undefined =>
  (prepared as { contexts?: readonly string[] } | undefined)?.contexts

async function measure(name: string, model: LanguageModel, requests: EditRequest[], rounds: number, given: string) {
  const method = findMethod(name)
  const known = publishedValues(name, model.config)?.hyperparameters ?? method.defaults?.(model.config)
  const h = method.hyperparameters.parse({ ...known, ...JSON.parse(given) })
  const context = contextOf({ cacheDir: cacheDir(), corpus: openCorpus(await describeCorpus('world', cacheDir())) })
  const prepared = await method.prepare?.(model, h, context, undefined)
  const run = async (sets: EditRequest[][][]): Promise<{ cost: Cost; edits: Edit[] }> => {
    const [start, flops, edits] = [performance.now(), matmulFlops(), [] as Edit[]]
    for (const set of sets) for await (const some of method.edit(model, set, h, context, prepared)) edits.push(...some)
    const per = requests.length
    const cost = { seconds: (performance.now() - start) / 1e3 / per, gflop: (matmulFlops() - flops) / 1e9 / per }
    return { cost, edits }
  }
  const alone = requests.map((r) => [[r]])
  const shapes = { alone, together: [alone.flat()], held: method.holdsMany ? [[requests]] : [] }
  await run(alone.slice(0, 8))
  const best = async (sets: EditRequest[][][]) => {
    let found = await run(sets)
    for (let round = 1; round < rounds; round++) {
      const again = await run(sets)
      if (again.cost.seconds < found.cost.seconds) found = again
    }
    return found
  }
  const single = await best(shapes.alone)
  const { cost: together } = await best(shapes.together)
  const line: Line = { method: name, facts: requests.length, alone: single.cost, together }
  const contexts = contextsOf(prepared)
  const {
    layer,
    layers,
    v_num_grad_steps: steps = 0
  } = h as { layer?: number; layers?: readonly number[]; v_num_grad_steps?: number }
  const last = layer ?? layers?.at(-1)
  const reference =
    contexts === undefined || last === undefined
      ? {}
      : {
          reference:
            single.edits.reduce((sum, e) => sum + referenceFlops(model, contexts, last, steps, e), 0) /
            1e9 /
            requests.length
        }
  return shapes.held.length === 0
    ? { ...line, ...reference }
    : { ...line, held: (await best(shapes.held)).cost, ...reference }
}

function print({ method, facts, alone, together, held, reference }: Line, rate: number): void {
  const cost = ({ seconds, gflop }: Cost) =>
    `${(1000 * seconds).toFixed(0).padStart(6)} ms ${gflop.toFixed(2).padStart(6)} GFLOP ${((100 * gflop) / seconds / rate).toFixed(0).padStart(3)} %`
  const published =
    reference === undefined ? '' : `  1/${(reference / alone.gflop).toFixed(1)} of ${reference.toFixed(1)}`
  console.log(
    `${method.padEnd(10)} ${String(facts).padStart(5)} ${cost(alone)} ${cost(together)} ${held === undefined ? ' '.repeat(26) : cost(held)}${published}`
  )
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string', default: 'gptj-mini' },
      facts: { type: 'string', default: '64' },
      rounds: { type: 'string', default: '1' },
      hyperparameters: { type: 'string', default: '{}' },
      json: { type: 'boolean', default: false }
    }
  })
  await useBackend('onnxruntime', { threads: 1 })
  const model = await openModel(values.model)
  const requests: EditRequest[] = []
  const options = { onBadRecord: 'fail', seed: 0, split: 'train', limit: Number(values.facts) } as const
  for await (const c of loadCases(findDataset('counterfact'), undefined, options)) requests.push(...c.requests)
  const rate = sgemmRate(tf.backend() as OrtBackend)
  if (!values.json) {
    console.log(`sgemm ${rate.toFixed(0)} GFLOP/s, one thread`)
    console.log(
      'method     facts an edit alone              an edit beside all others  a fact of one edit of all   of the published procedure'
    )
  }
  const lines: Line[] = []
  for (const name of positionals.length > 0 ? positionals : METHODS) {
    const line = await measure(name, model, requests, Number(values.rounds), values.hyperparameters)
    lines.push(line)
    if (!values.json) print(line, rate)
  }
  if (values.json) console.log(JSON.stringify({ model: values.model, sgemm: rate, methods: lines }, null, 2))
}

void main()
