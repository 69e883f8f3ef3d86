import { counterfact } from '../datasets/counterfact'
import type { EditCase } from '../datasets/types'
import { zsre } from '../datasets/zsre'
import { publishedValues } from '../harness/config/published'
import { openModel } from '../harness/model'
import { describeCorpus, openCorpus } from '../harness/runner/corpus'
import { cacheDir } from '../harness/runner/machine'
import { BOOK_GRADING } from '../harness/scoring/grade'
import { findMeasure } from '../harness/scoring/measures'
import { askBase, askEdited } from '../harness/scoring/score-cases'
import { summariseAnswers } from '../harness/scoring/summarise'
import { useBackend } from '../harness/tensor'
import { findMethod } from '../methods'
import { contextOf, editAll } from '../methods/context'

/*
 * Which block a method should edit, and with which settings: the four properties for every block and variant, on the train half of
 * the world, so that the test half stays unseen; portability also where the unedited model knows what is asked, and locality also of subjects
 * that share the first, and the last part of their name.
 * `npm run bench:sweep -- rome gptj-mini 40 '[{"clamp_norm_factor":4},{"clamp_norm_factor":16}]'`; a last number is that of the facts an edit holds.
 */

const blocks = (count: number) => Array.from({ length: count }, (_, i) => i)

const percent = (share: number | undefined): string =>
  (share === undefined ? '-' : (100 * share).toFixed(1)).padStart(6)

async function sweep(
  methodName: string,
  modelName: string,
  count: number,
  variants: readonly Record<string, unknown>[],
  held: number
): Promise<void> {
  await useBackend('onnxruntime', { threads: Number(process.env.THREADS ?? 2) })
  const model = await openModel(modelName)
  const method = findMethod(methodName)
  const context = contextOf({ cacheDir: cacheDir(), corpus: openCorpus(await describeCorpus('world', cacheDir())) })
  console.log(
    'dataset      layer  accur. gener. portab. known  local.  same first, last     ES     PS     NS   ms/edit  settings'
  )
  for (const dataset of [counterfact, zsre]) {
    const cases: EditCase[] = []
    for await (const c of dataset.load(undefined, { onBadRecord: 'fail', seed: 0, split: 'train', limit: count }))
      cases.push(c)
    const scored = dataset.measures.map(findMeasure)
    const base = askBase(model, cases, { localityTokens: 8, measures: scored })
    for (const { layer: only, ...variant } of variants) {
      const known = publishedValues(methodName, model.config)?.hyperparameters ?? method.defaults?.(model.config)
      const placed = (['layer', 'layers'] as const).find((key) => known !== undefined && key in known)
      // Several blocks that are edited together are one place; methods that find their own have none.
      const layers =
        'layers' in variant || placed === undefined
          ? [variant.layers]
          : only === undefined
            ? blocks(model.config.layers)
            : [only]
      for (const layer of layers) {
        const where =
          'layers' in variant || placed === undefined ? {} : placed === 'layers' ? { layers: [layer] } : { layer }
        const h = method.hyperparameters.parse({ ...known, ...variant, ...where })
        await method.prepare?.(model, h, context, undefined)
        const start = performance.now()
        const groups = Array.from({ length: Math.ceil(cases.length / held) }, (_, i) =>
          cases.slice(i * held, (i + 1) * held).flatMap((c) => c.requests)
        )
        const made = await editAll(method, model, groups, h, context)
        const edits = cases.map((_, i) => made[Math.floor(i / held)]!)
        const ms = (performance.now() - start) / cases.length
        const { rows } = askEdited(model, base, edits, { setting: 'sweep', held })
        const {
          properties: p,
          kinds,
          measures
        } = summariseAnswers(rows, {
          seed: 0,
          resamples: 1,
          grading: BOOK_GRADING,
          measures: scored
        })
        const apart = (kind: string) => percent(kinds.find((k) => k.kind === kind)?.edited.mean)
        const probability = (label: string) =>
          measures.flatMap((m) => m.values).find((v) => v.label === label)?.edited.mean
        console.log(
          [
            dataset.name.padEnd(12),
            String(layer ?? '-').padStart(5),
            percent(p.accuracy?.edited.mean),
            percent(p.generality?.edited.mean),
            percent(p.portability?.edited.mean),
            percent(p.portability?.granted?.edited?.mean),
            percent(p.locality?.edited.mean),
            apart('same-first-part').padStart(10),
            apart('same-last-part'),
            percent(probability('ES')).padStart(9),
            percent(probability('PS')),
            percent(probability('NS')),
            ms.toFixed(0).padStart(8),
            ` ${JSON.stringify(variant)}`
          ].join(' ')
        )
      }
    }
  }
}

const [method = 'rome', model = 'gptj-mini', count = '40', variants = '[{}]', held = '1'] = process.argv.slice(2)
sweep(method, model, Number(count), JSON.parse(variants) as Record<string, unknown>[], Number(held))
