import { UserError } from '../harness/errors'
import type { ModelConfig } from '../harness/model'

/** @throws UserError when the model has no such block */
export function checkLayer({ layers }: ModelConfig, layer: number, place = 'layer'): void {
  if (layer < layers) return
  throw new UserError(`there is no block ${layer}: the model's are 0 to ${layers - 1}`, { place })
}

/** @throws UserError when the model has not all of these blocks */
export function checkLayers(model: ModelConfig, layers: readonly number[]): void {
  for (const [i, layer] of layers.entries()) checkLayer(model, layer, `layers.${i}`)
}
