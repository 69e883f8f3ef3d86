import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DATASETS, loadCases } from '../../datasets'
import type { EditCase } from '../../datasets/types'
import { METHODS } from '../../methods'
import { contextOf } from '../../methods/context'
import type { EditingMethod } from '../../methods/types'
import { type LanguageModel, openModel } from '../model'
import { packageRoot } from '../package-root'
import { openCorpus } from '../runner/corpus'
import { useBackend } from '../tensor'
import { verifyDataset } from './dataset'
import type { Finding } from './finding'
import { verifyMethod } from './method'

let model: LanguageModel
let cache: string
const cases: EditCase[] = []
beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
  model = await openModel('gptj-mini')
  cache = mkdtempSync(join(tmpdir(), 'bench-conformance-'))
  const options = { onBadRecord: 'fail', seed: 0, split: 'train', limit: 8 } as const
  for await (const c of loadCases(DATASETS[0]!, undefined, options)) cases.push(c)
})
afterAll(() => {
  model.dispose()
  rmSync(cache, { recursive: true, force: true })
})

const BLOCKS = { context_templates: ['{}'], v_num_grad_steps: 5, mom2_n_tokens: 2000, mom2_ridge: 1e-3 }
const FAST: Readonly<Record<string, Record<string, unknown>>> = {
  rome: { mom2_adjustment: false, context_templates: ['{}'], v_num_grad_steps: 5 },
  'r-rome': { mom2_adjustment: false, context_templates: ['{}'], v_num_grad_steps: 5 },
  memit: BLOCKS,
  emmet: BLOCKS,
  alphaedit: { ...BLOCKS, nullspace_threshold: 1e-2 },
  grace: { n_iter: 10 },
  't-patcher': { max_edit_step: 25, memory_tokens: 500 },
  calinet: { ex_size: 8, max_steps: 20 },
  mend: { edit_modules: ['layers.7.mlp.fc', 'layers.7.mlp.proj'], rank: 8, accumulate_bs: 2, max_iters: 4 },
  ft: { num_steps: 3 },
  'ft-l': { num_steps: 3 },
  'ft-m': { num_steps: 3 }
}
const verify = (method: EditingMethod) =>
  verifyMethod(method, {
    model,
    cases,
    context: contextOf({ cacheDir: cache, corpus: openCorpus({ source: 'world', id: 'world' }) }),
    hyperparameters: FAST[method.name] ?? {}
  })
const problems = (findings: readonly Finding[]) => findings.filter((f) => f.problem !== undefined)

it.each(METHODS.map((m) => [m.name, m] as const))('%s keeps what every method promises', async (_, method) => {
  const findings = await verify(method)
  expect(problems(findings)).toEqual([])
  expect(findings.length).toBeGreaterThanOrEqual(10)
})

/** Made-up records of the sets that the embedded world does not have. */
const SAMPLES: Readonly<Record<string, string>> = {
  'wikidata-recent': 'wikidata/sample/recent.json',
  'wikidata-counterfact': 'wikidata/sample/counterfact.json',
  qaedit: 'qaedit/sample/qaedit.json',
  wikibigedit: 'wikibigedit/sample/wikibigedit.json',
  halluedit: 'halluedit/sample/halluedit.csv',
  pararel: 'pararel/sample/bags.json',
  conflictedit: 'conflictedit/sample/conflictedit.json',
  roundedit: 'conflictedit/sample/roundedit.json',
  sanitation: 'sanitation/sample/test.json',
  ecbd: 'ecbd/sample/ecbd.jsonl',
  'nq-situatedqa': 'nq/sample/situatedqa.jsonl',
  't-rex': 'trex/sample/facts.csv',
  fever: 'classes/sample/fever.jsonl',
  vitaminc: 'classes/sample/vitaminc.jsonl',
  scotus: 'classes/sample/scotus.jsonl',
  'bias-in-bios': 'classes/sample/bias-in-bios.jsonl',
  rippleedits: 'rippleedits/sample/popular.json',
  wikigen: 'wikigen/sample/train.jsonl',
  mmedit: 'mmedit/sample/vqa.json',
  known: 'known/sample/known.json'
}

it.each(DATASETS.filter((d) => d.layouts.length > 0).map((d) => [d.name, d] as const))(
  '%s keeps what every dataset promises',
  async (name, dataset) => {
    const sample = dataset.needsFile === true ? join(packageRoot(), 'datasets', SAMPLES[name]!) : undefined
    const findings = await verifyDataset(dataset, sample)
    expect(problems(findings)).toEqual([])
  }
)

describe('a method is found out that', () => {
  const ftM = METHODS.find((m) => m.name === 'ft-m')!
  const found = async (change: Partial<EditingMethod>) =>
    problems(await verify({ ...ftM, ...change })).map((f) => f.what)
  type Edit = EditingMethod['edit']
  const changed = (change: (edits: Awaited<ReturnType<typeof all>>, ...args: Parameters<Edit>) => unknown): Edit =>
    async function* (...args) {
      yield change(await all(...args), ...args) as never
    }
  const all = async (...args: Parameters<Edit>) => {
    const edits = []
    for await (const some of ftM.edit(...args)) edits.push(...some)
    return edits
  }

  test.each<[string, Partial<EditingMethod>, string]>([
    ['gives its edits in another order', { edit: changed((edits) => [...edits].reverse()) }, 'every group of facts'],
    [
      'edits otherwise in company',
      { edit: changed((edits) => (edits.length > 1 ? edits.map((e) => ({ ...e, parts: [] })) : edits)) },
      'alone and in company'
    ],
    [
      'accepts what it does not have',
      {
        hyperparameters: {
          ...ftM.hyperparameters,
          parse: ftM.hyperparameters.parse.bind(ftM.hyperparameters),
          safeParse: () => ({ success: true })
        } as never
      },
      'does not have is refused'
    ],
    [
      'changes the weights',
      {
        edit: changed((edits, asked) => {
          const weight = asked.weight('layers.0.mlp.proj.weight').dataSync() as Float32Array
          weight[0] = weight[0]! + 1
          return edits
        })
      },
      'weights as they were'
    ]
  ])('%s', async (_, change, what) => {
    expect((await found(change)).some((f) => f.includes(what))).toBe(true)
  })
})

it('a dataset is found out that gives other cases every time', async () => {
  const [some] = DATASETS
  let times = 0
  const findings = await verifyDataset(
    {
      ...some!,
      async *load(source, options) {
        times++
        for await (const c of some!.load(source, options)) yield { ...c, id: `${c.id}-${times}` }
      }
    },
    undefined
  )
  expect(problems(findings).map((f) => f.what)).toContain('it gives the same cases every time')
})
