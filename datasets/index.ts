import { dirname } from 'node:path'
import { closestTo } from '../harness/closest'
import { UserError } from '../harness/errors'
import { biasInBios, fever, scotus, vitaminc } from './classes'
import { conflictEdit, roundEdit } from './conflictedit'
import { convsent } from './convsent'
import { counterfact } from './counterfact'
import { custom } from './custom'
import { ecbd } from './ecbd'
import { hallucination } from './hallucination'
import { halluedit } from './halluedit'
import { known } from './known'
import { mmedit } from './mmedit'
import { mquake } from './mquake'
import { nqSituatedQa } from './nq'
import { pararel } from './pararel'
import { qaedit } from './qaedit'
import { UnknownLayout } from './records'
import { rippleEdits } from './rippleedits'
import { sanitation } from './sanitation'
import { fromTable } from './tables'
import { trex } from './trex'
import type { Dataset, EditCase, LoadOptions } from './types'
import { wikibigedit } from './wikibigedit'
import { wikidataCounterfact, wikidataRecent } from './wikidata'
import { wikigen } from './wikigen'
import { zsre } from './zsre'

/** Every dataset; a new one is a folder and a line here. */
export const DATASETS: readonly Dataset[] = [
  counterfact,
  zsre,
  mquake,
  hallucination,
  convsent,
  wikidataRecent,
  wikidataCounterfact,
  qaedit,
  wikibigedit,
  halluedit,
  pararel,
  conflictEdit,
  roundEdit,
  sanitation,
  ecbd,
  nqSituatedQa,
  trex,
  fever,
  vitaminc,
  scotus,
  biasInBios,
  rippleEdits,
  wikigen,
  mmedit,
  known,
  custom
]

/** @throws UserError with the closest name when there is no such dataset */
export function findDataset(name: string, place?: string): Dataset {
  const found = DATASETS.find((d) => d.name === name)
  if (found !== undefined) return found
  const names = DATASETS.map((d) => d.name)
  throw new UserError(`unknown dataset '${name}'${closestTo(name, names)}`, {
    ...(place === undefined ? {} : { place }),
    hint: `datasets: ${names.join(', ')}`
  })
}

/**
 * The cases of a dataset; a file of another layout is told what it looks like.
 * @throws UserError when the file cannot be read
 */
export async function* loadCases(
  dataset: Dataset,
  source: string | undefined,
  options: LoadOptions
): AsyncGenerator<EditCase> {
  try {
    if (source === undefined) yield* dataset.load(source, options)
    else yield* fromTable(source, (file) => dataset.load(file, { near: dirname(source), ...options }))
  } catch (error) {
    if (!(error instanceof UnknownLayout)) throw error
    const { keys, nested } = error
    const others = DATASETS.filter((d) => d !== dataset && d.layouts.some((l) => l.keys.every((k) => keys.includes(k))))
    const looks = others.map((d) => `it looks like ${d.title}: --dataset ${d.name}`)
    const listed = nested ? ['its values are such records: write them as a list, [...]'] : []
    throw new UserError(`${error.message}, which is no layout of ${dataset.title}`, {
      ...(error.place === undefined ? {} : { place: error.place }),
      hint: [error.hint, ...looks, ...listed].join('\n')
    })
  }
}
