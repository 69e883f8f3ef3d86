import type { ModelConfig } from './types'

/** Residual stream and MLP of a block; the linear maps are those that have a weight. */
const BLOCK_SITES = ['in', 'out', 'mlp', 'mlp:in']

/** Whether a model has a site of this name, on whatever stretch of its blocks. */
export function hasSite(
  site: string,
  { layers }: Pick<ModelConfig, 'layers'>,
  weights: { has(name: string): boolean }
): boolean {
  if (site === 'embed' || site === 'head') return true
  const [, layer, rest] = /^layers\.(\d+)\.(.+)$/.exec(site) ?? []
  if (layer === undefined || rest === undefined || Number(layer) >= layers) return false
  const map = `layers.${layer}.${rest.replace(/:in$/, '')}`
  return BLOCK_SITES.includes(rest) || (!map.endsWith('norm') && weights.has(`${map}.weight`))
}
