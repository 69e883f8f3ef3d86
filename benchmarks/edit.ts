import { parseArgs } from 'node:util'
import { findDataset, loadCases } from '../datasets'
import { publishedValues } from '../harness/config/published'
import type { EditRequest } from '../harness/edit'
import { openModel } from '../harness/model'
import { describeCorpus, openCorpus } from '../harness/runner/corpus'
import { cacheDir } from '../harness/runner/machine'
import { matmulFlops, useBackend } from '../harness/tensor'
import { findMethod } from '../methods'
import { contextOf, editAll } from '../methods/context'

/*
 * What an edit costs alone, and together with others: processor time, and matrix FLOPs spent, an edit.
 * `npm run bench:edit -- [METHOD…] [--model NAME] [--facts 10] [--rounds 3]`
 */

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      model: { type: 'string', default: 'gptj-mini' },
      facts: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '3' },
      hyperparameters: { type: 'string', default: '{}' }
    }
  })
  await useBackend('onnxruntime', { threads: 1 })
  const model = await openModel(values.model)
  const groups: EditRequest[][] = []
  const options = { onBadRecord: 'fail', seed: 0, split: 'train', limit: Number(values.facts) } as const
  for await (const c of loadCases(findDataset('counterfact'), undefined, options)) groups.push([...c.requests])
  const context = contextOf({ cacheDir: cacheDir(), corpus: openCorpus(describeCorpus('world')) })
  console.log('method   facts  CPU ms/edit alone  together  ratio   GFLOP/edit alone  together')
  for (const name of positionals.length > 0 ? positionals : ['rome', 'ft-l']) {
    const method = findMethod(name)
    const known = publishedValues(name, model.config)?.hyperparameters ?? method.defaults?.(model.config)
    const h = method.hyperparameters.parse({ ...known, ...JSON.parse(values.hyperparameters) })
    const measure = async (sets: EditRequest[][][]) => {
      const [cpu, flops] = [process.cpuUsage(), matmulFlops()]
      for (const set of sets) await editAll(method, model, set, h, context)
      const { user, system } = process.cpuUsage(cpu)
      return { ms: (user + system) / 1000 / groups.length, gflop: (matmulFlops() - flops) / 1e9 / groups.length }
    }
    const alone = groups.map((g) => [g])
    await measure(alone)
    const best = (a: Awaited<ReturnType<typeof measure>>, b: typeof a) => (a.ms < b.ms ? a : b)
    let [one, all] = [await measure(alone), await measure([groups])]
    for (let round = 1; round < Number(values.rounds); round++)
      [one, all] = [best(one, await measure(alone)), best(all, await measure([groups]))]
    const columns = [
      one.ms.toFixed(0).padStart(18),
      all.ms.toFixed(0).padStart(9),
      (all.ms / one.ms).toFixed(2).padStart(6)
    ]
    console.log(
      `${name.padEnd(8)} ${String(groups.length).padStart(5)} ${columns.join(' ')} ${one.gflop.toFixed(2).padStart(18)} ${all.gflop.toFixed(2).padStart(9)}`
    )
  }
}

void main()
