import { closestTo } from '../harness/closest'
import { UserError } from '../harness/errors'
import { counterfact } from './counterfact'
import type { Dataset } from './types'
import { zsre } from './zsre'

/** Every dataset; a new one is a folder and a line here. */
export const DATASETS: readonly Dataset[] = [counterfact, zsre]

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
