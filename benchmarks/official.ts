import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findDataset, loadCases } from '../datasets'
import type { EditCase } from '../datasets/types'
import { publishedValues } from '../harness/config/published'
import { type Edit, type EditPart, type EditRequest, type LowRankPart, subjectEnd } from '../harness/edit'
import { kindOf } from '../harness/edit/kinds'
import { openModel, readSafetensorsHeader, readTensor, resolveModel, writeSafetensors } from '../harness/model'
import type { AnswerRow } from '../harness/results/rows'
import { describeCorpus, openCorpus } from '../harness/runner/corpus'
import { cacheDir } from '../harness/runner/machine'
import { BOOK_GRADING } from '../harness/scoring/grade'
import { askBase, askEdited } from '../harness/scoring/score-cases'
import { summariseAnswers } from '../harness/scoring/summarise'
import { useBackend, valuesOf } from '../harness/tensor'
import { norm } from '../harness/tensor/linalg'
import { findMethod } from '../methods'
import { contextOf, editAll } from '../methods/context'
import type { SecondMoment } from '../methods/locate/second-moment'

/*
 * What the official ROME and MEMIT code would score here: its edits of the same facts, in the same model, contexts and second moments, asked the same
 * questions as ours, on the test half of the world.
 *   node -r esbuild-register benchmarks/official.ts choose FOLDER rome llama-mini counterfact 60 [facts an edit holds]
 *   python3 benchmarks/official.py FOLDER --rome DIR --memit DIR
 *   node -r esbuild-register benchmarks/official.ts score FOLDER
 */

interface Chosen {
  readonly method: string
  readonly name: string
  /** The model's folder. */
  readonly model: string
  readonly dataset: string
  readonly count: number
  readonly held: number
  readonly hyperparameters: Record<string, unknown>
  readonly contexts: readonly string[]
  readonly layers: readonly number[]
  readonly edits: readonly (readonly { readonly prompt: string; readonly subject: string; readonly target: string }[])[]
}

type Choice = Pick<Chosen, 'method' | 'name' | 'dataset' | 'count' | 'held'>

/** What both sides edit, and what they edit it with. */
async function setUp({ method: methodName, name, dataset: datasetName, count, held }: Choice) {
  await useBackend('onnxruntime', { threads: 1 })
  const model = await openModel(name)
  const method = findMethod(methodName)
  const dataset = findDataset(datasetName)
  const cases: EditCase[] = []
  for await (const c of loadCases(dataset, undefined, { onBadRecord: 'fail', seed: 0, split: 'test', limit: count }))
    cases.push(c)
  const groups = Array.from({ length: Math.ceil(cases.length / held) }, (_, i) =>
    cases.slice(i * held, (i + 1) * held).flatMap((c) => c.requests)
  )
  // The official key: all three steps of the published procedure are compared.
  const known = publishedValues(methodName, model.config)?.hyperparameters ?? method.defaults?.(model.config)
  const h = method.hyperparameters.parse({ ...known, ...(methodName === 'rome' ? { key: 'original' } : {}) })
  const context = contextOf({ cacheDir: cacheDir(), corpus: openCorpus(await describeCorpus('world', cacheDir())) })
  return { model, method, cases, groups, h, context }
}

/** The prompt with `{}` where its subject stands. */
function slotted(request: EditRequest) {
  const { prompt, subject, target } = request
  const end = subjectEnd(request)
  return { prompt: `${prompt.slice(0, end - subject.length)}{}${prompt.slice(end)}`, subject, target }
}

async function choose(folder: string, choice: Choice): Promise<void> {
  const { model, method, groups, h, context } = await setUp(choice)
  const { contexts, C, moments, layer, layers } = (await method.prepare!(model, h, context, undefined)) as {
    readonly contexts: readonly string[]
    readonly C?: SecondMoment
    readonly moments?: readonly SecondMoment[]
    readonly layer?: number
    readonly layers?: readonly number[]
  }
  const places = layers ?? [layer!]
  mkdirSync(folder, { recursive: true })
  const square = ({ matrix, n }: SecondMoment) => ({ shape: [n, n], data: Float32Array.from(matrix) })
  const named = (moments ?? [C!]).map((moment, i) => [String(places[i]), square(moment)] as const)
  writeSafetensors(join(folder, 'moments.safetensors'), new Map(named))
  const chosen: Chosen = {
    ...choice,
    model: resolveModel(choice.name),
    hyperparameters: h as Record<string, unknown>,
    contexts,
    layers: places,
    edits: groups.map((group) => group.map(slotted))
  }
  writeFileSync(join(folder, 'facts.json'), JSON.stringify(chosen))
}

/** The edits that the official code wrote. */
function officialEdits(folder: string, { method, layers, edits }: Chosen): Edit[] {
  const { tensors } = readSafetensorsHeader(join(folder, 'edits.safetensors'))
  return edits.map((requests, i) => ({
    method,
    requests,
    parts: layers.map((layer): LowRankPart => {
      const [u, v] = [`${i}.${layer}.u`, `${i}.${layer}.v`]
      const [[out = 0, rank = 0], [width = 0]] = [tensors.get(u)!.shape, tensors.get(v)!.shape]
      const [right, left] = [readTensor(u, tensors.get(u)!), readTensor(v, tensors.get(v)!)]
      return { kind: 'low-rank', site: `layers.${layer}.mlp.proj`, rank, out, in: width, u: right, v: left }
    }),
    diagnostics: {}
  }))
}

/** ‖ours − theirs‖ / ‖theirs‖ of a change of a weight, as whole matrices. */
function relativeError(ours: EditPart, theirs: EditPart): number {
  const [a, b] = [ours, theirs].map((part) => valuesOf(() => kindOf(part).weightDelta!(part, `${part.site}.weight`)!))
  return norm(a!.map((x, i) => x - b![i]!)) / norm(b!)
}

async function score(folder: string): Promise<void> {
  const chosen = JSON.parse(readFileSync(join(folder, 'facts.json'), 'utf8')) as Chosen
  const { model, method, cases, groups, h, context } = await setUp(chosen)
  const theirs = officialEdits(folder, chosen)
  const ours = await editAll(method, model, groups, h, context)
  const errors = ours.flatMap((edit, i) => edit.parts.map((part, p) => relativeError(part, theirs[i]!.parts[p]!)))
  const base = askBase(model, cases, { localityTokens: 8, measures: [] })
  const answers = (edits: readonly Edit[]): readonly AnswerRow[] => {
    const ofCase = cases.map((_, i) => edits[Math.floor(i / chosen.held)]!)
    return askEdited(model, base, ofCase, { setting: 'official', held: chosen.held }).rows
  }
  const both = { ours: answers(ours), official: answers(theirs) }
  for (const [who, rows] of Object.entries(both)) {
    const { properties } = summariseAnswers(rows, { seed: 0, resamples: 1, grading: BOOK_GRADING, measures: [] })
    const share = (property: 'accuracy' | 'generality' | 'portability' | 'locality') =>
      `${property} ${(100 * (properties[property]?.edited.mean ?? Number.NaN)).toFixed(1)}`
    console.log(
      `${who.padEnd(9)} ${(['accuracy', 'generality', 'portability', 'locality'] as const).map(share).join('  ')}`
    )
  }
  const same = both.ours.filter((row, i) => row.exactAfter === both.official[i]!.exactAfter).length
  const sorted = errors.sort((a, b) => a - b)
  console.log(
    `${same} of ${both.ours.length} verdicts alike; weights differ by ${sorted[sorted.length >> 1]!.toExponential(1)} (median) to ${sorted.at(-1)!.toExponential(1)} of their length`
  )
}

const [command, folder = '', method = 'rome', name = 'gptj-mini', dataset = 'counterfact', count = '60', held = '1'] =
  process.argv.slice(2)
if (command === 'score') void score(folder)
else void choose(folder, { method, name, dataset, count: Number(count), held: Number(held) })
