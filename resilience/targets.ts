import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DATASETS, loadCases } from '../datasets'
import { loadConfig } from '../harness/config/load'
import { loadEdit, saveEdit } from '../harness/edit/store'
import type { Edit } from '../harness/edit/types'
import { openModel } from '../harness/model'
import { padBatch } from '../harness/model/batching'
import { readCheckpointIndex, readTensor, writeSafetensors } from '../harness/model/checkpoint'
import { encodePrompt, loadTokenizer } from '../harness/model/tokenizer'
import { packageRoot } from '../harness/package-root'
import { listRuns } from '../harness/results/runs'
import { readRun } from '../harness/scoring/run-summary'
import { useBackend } from '../harness/tensor/backend'
import { writeReport } from '../reports/write'

/** A kind of file people hand to the program. */
export interface Target {
  readonly name: string
  /** Sound inputs, each a folder filled by its function. */
  readonly seeds: readonly ((dir: string) => void)[]
  /** Files of such a folder that are damaged. */
  readonly damages: RegExp
  /** Reads the folder as the program does. */
  open(dir: string): Promise<void>
}

const GOLDEN = join(packageRoot(), 'harness', 'model', 'golden')
const CHECKPOINTS = join(packageRoot(), 'harness', 'model', 'checkpoint', 'golden')
const family = (name: string) => (dir: string) => cpSync(join(GOLDEN, name), dir, { recursive: true })
const FAMILIES = readdirSync(GOLDEN, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => family(name))
/** A text of many alphabets. */
const TEXT = 'The mother tongue of Danielle Darrieux is\n  français, 1234 · 日本語 \u{1f600} \ufeffa'

async function readWeights(dir: string): Promise<void> {
  for (const [name, entry] of readCheckpointIndex(dir) ?? [])
    if (entry.dtype.startsWith('F') || entry.dtype === 'BF16') readTensor(name, entry)
}

const tensor = (...shape: number[]) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 7)
})

const EDIT: Edit = {
  method: 'rome',
  requests: [{ prompt: '{} speaks', subject: 'A', target: 'French' }],
  parts: [
    { kind: 'low-rank', site: 'layers.1.mlp.proj', rank: 1, out: 4, in: 6, u: tensor(4).data, v: tensor(6).data },
    { kind: 'dense', site: 'layers.0.mlp.proj', out: 2, in: 3, delta: tensor(2, 3).data, bias: tensor(2).data },
    { kind: 'prefix', text: 'New Fact: A speaks French\n' },
    { kind: 'rules', rules: [{ pattern: '^A speaks$', ignoreCase: true, scope: 'answer', text: 'French' }] }
  ],
  diagnostics: { values: { norm: 1 } }
}

let backend: Promise<unknown> | undefined
const withBackend = () => {
  backend ??= useBackend('auto', { threads: 1 })
  return backend
}

let sampleRun: string | undefined
/** A run of the embedded model, made once by the program itself. */
function run(dir: string): void {
  if (sampleRun === undefined) {
    sampleRun = join(dir, '..', 'sample-run')
    const program = join(packageRoot(), 'dist', 'harness', 'cli', 'main.js')
    const config = join(packageRoot(), 'configs', 'quickstart.yaml')
    const args = ['run', config, '--method', 'ft-l', '--dataset', 'zsre', '--limit', '2', '--out', sampleRun]
    execFileSync(process.execPath, [program, ...args], { stdio: 'ignore' })
  }
  for (const { dir: from } of listRuns(sampleRun)) cpSync(from, join(dir, 'run'), { recursive: true })
}

export const TARGETS: readonly Target[] = [
  {
    name: 'safetensors',
    seeds: [
      (dir) =>
        writeSafetensors(
          join(dir, 'model.safetensors'),
          new Map([
            ['a', tensor(3, 4)],
            ['b', tensor(0)],
            ['c', tensor(5)]
          ])
        )
    ],
    damages: /\.safetensors$/,
    open: readWeights
  },
  {
    name: 'index',
    seeds: [
      (dir) => {
        const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const
        writeSafetensors(join(dir, shards[0]), new Map([['a', tensor(3)]]))
        writeSafetensors(join(dir, shards[1]), new Map([['b', tensor(3)]]))
        const index = { metadata: { total_size: 24 }, weight_map: { a: shards[0], b: shards[1] } }
        writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify(index))
      }
    ],
    damages: /\.json$/,
    open: readWeights
  },
  {
    name: 'torch',
    seeds: readdirSync(CHECKPOINTS)
      .filter((name) => name.endsWith('.bin'))
      .map((name) => (dir) => cpSync(join(CHECKPOINTS, name), join(dir, 'pytorch_model.bin'))),
    damages: /\.bin$/,
    open: readWeights
  },
  {
    name: 'config.json',
    seeds: FAMILIES,
    damages: /^config\.json$/,
    async open(dir) {
      await withBackend()
      const model = await openModel(dir)
      const ids = encodePrompt(model.tokenizer, 'The mother tongue')
      if (ids.length > 0) {
        const { hidden, logits } = model.forward(padBatch([ids]))
        hidden.dispose()
        logits?.dispose()
      }
      model.dispose()
    }
  },
  {
    name: 'tokenizer',
    seeds: FAMILIES,
    damages: /^(tokenizer|tokenizer_config|special_tokens_map)\.json$/,
    async open(dir) {
      const tokenizer = loadTokenizer(dir)
      tokenizer.decode(tokenizer.encode(TEXT))
    }
  },
  {
    name: 'config.yaml',
    seeds: readdirSync(join(packageRoot(), 'configs'))
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => (dir) => cpSync(join(packageRoot(), 'configs', name), join(dir, 'config.yaml'))),
    damages: /\.yaml$/,
    async open(dir) {
      loadConfig(join(dir, 'config.yaml'))
    }
  },
  {
    name: 'records',
    seeds: ['zsre/sample/zsre.json', 'counterfact/sample/flat.json', 'counterfact/sample/nested.json'].map(
      (name) => (dir) => cpSync(join(packageRoot(), 'datasets', name), join(dir, 'records.json'))
    ),
    damages: /\.json$/,
    async open(dir) {
      for (const dataset of DATASETS) {
        const options = { onBadRecord: 'skip', seed: 0 } as const
        for await (const { requests } of loadCases(dataset, join(dir, 'records.json'), options)) void requests
      }
    }
  },
  {
    name: 'edits',
    seeds: [(dir) => saveEdit(join(dir, 'edit'), EDIT, { name: 'm', hash: 'h' })],
    damages: /^edit\/edit\./,
    async open(dir) {
      loadEdit(join(dir, 'edit'))
    }
  },
  {
    name: 'runs',
    seeds: [run],
    damages: /^run\/(manifest\.json|.*\.arrow|log\.jsonl)$/,
    async open(dir) {
      const unreadable = () => {}
      for (const { dir: at } of listRuns(dir, unreadable)) readRun(at)
      mkdirSync(join(dir, 'report'), { recursive: true })
      await writeReport(dir, join(dir, 'report'), unreadable)
    }
  }
]

/** Files of a folder, by their paths in it. */
export const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()

export const bytesOf = (dir: string): Map<string, Buffer> =>
  new Map(filesIn(dir).map((file) => [file, readFileSync(join(dir, file))]))
