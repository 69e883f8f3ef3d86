import { z } from 'zod'
import { UserError } from '../harness/errors'
import type { LanguageModel, ModelConfig } from '../harness/model'
import { checkLayer } from './layer'

/*
 * Linear maps of MLPs by the names of their sites, for methods that edit several of them.
 */

const MAP = /^layers\.(\d+)\.mlp\.(?:proj|fc|gate)$/

export const mlpMaps = z
  .array(z.string().regex(MAP, 'must be a linear map of an MLP, such as layers.18.mlp.proj'))
  .min(1)
  .describe('Linear maps of MLPs that are edited')

interface Edited {
  readonly edit_modules: readonly string[]
}

const layerOf = (site: string): number => Number(MAP.exec(site)![1])

/** The first block that has one. */
export const lowestOf = ({ edit_modules }: Edited): number => Math.min(...edit_modules.map(layerOf))

/** @throws UserError for a block that the model does not have */
export function checkMaps(model: ModelConfig, { edit_modules }: Edited): void {
  for (const [i, site] of edit_modules.entries()) checkLayer(model, layerOf(site), `edit_modules.${i}`)
}

/** @throws UserError for a map that the model's MLPs do not have */
export function refuseMissing(model: LanguageModel, { edit_modules }: Edited): void {
  for (const [i, site] of edit_modules.entries())
    if (model.weightShape(`${site}.weight`) === undefined)
      throw new UserError(`${model.name} has no ${site}`, { place: `edit_modules.${i}` })
}
