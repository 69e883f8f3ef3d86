import { UserError } from '../../errors'
import type { RotaryScaling } from '../types'
import { ConfigReader } from './config-reader'

type Json = Readonly<Record<string, unknown>>

/** The rotary part of a config.json: at the top and in `rope_scaling` in older files, all in `rope_parameters` in newer ones. */
export function ropeOf(json: Json, fallbackTheta = 10000): { rotaryTheta: number; rotaryScaling?: RotaryScaling } {
  const rope = (json.rope_parameters ?? json.rope_scaling ?? {}) as Json
  const theta = new ConfigReader(rope).number('rope_theta', new ConfigReader(json).number('rope_theta', fallbackTheta))
  const scaling = scalingOf(rope, json)
  return { rotaryTheta: theta, ...(scaling === undefined ? {} : { rotaryScaling: scaling }) }
}

export function scalingOf(rope: Json, json: Json): RotaryScaling | undefined {
  const read = new ConfigReader(rope)
  const kind = rope.rope_type ?? rope.type ?? 'default'
  const trained = () =>
    read.number('original_max_position_embeddings', new ConfigReader(json).number('max_position_embeddings'))
  switch (kind) {
    case 'default':
      return undefined
    case 'linear':
      return { kind: 'linear', factor: read.number('factor') }
    case 'llama3':
      return {
        kind: 'llama3',
        factor: read.number('factor'),
        lowFrequency: read.number('low_freq_factor'),
        highFrequency: read.number('high_freq_factor'),
        trainedPositions: trained()
      }
    case 'yarn': {
      if (rope.mscale !== undefined || rope.mscale_all_dim !== undefined)
        throw new UserError("'mscale' of rope_scaling is not supported", { place: 'config.json' })
      const factor = read.number('factor')
      return {
        kind: 'yarn',
        factor,
        betaFast: read.number('beta_fast', 32),
        betaSlow: read.number('beta_slow', 1),
        trainedPositions: trained(),
        attentionFactor: read.number('attention_factor', factor <= 1 ? 1 : 0.1 * Math.log(factor) + 1),
        truncate: read.boolean('truncate', true)
      }
    }
    default:
      throw new UserError(`the rotary scaling ${JSON.stringify(kind)} is not supported`, {
        place: 'config.json',
        hint: 'supported are default, linear, llama3 and yarn'
      })
  }
}

/** The same as transformers writes it. */
export function ropeJson(theta: number, scaling: RotaryScaling | undefined): Record<string, unknown> {
  switch (scaling?.kind) {
    case undefined:
      return { rope_type: 'default', rope_theta: theta }
    case 'linear':
      return { rope_type: 'linear', rope_theta: theta, factor: scaling.factor }
    case 'llama3':
      return {
        rope_type: 'llama3',
        rope_theta: theta,
        factor: scaling.factor,
        low_freq_factor: scaling.lowFrequency,
        high_freq_factor: scaling.highFrequency,
        original_max_position_embeddings: scaling.trainedPositions
      }
    case 'yarn':
      return {
        rope_type: 'yarn',
        rope_theta: theta,
        factor: scaling.factor,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        attention_factor: scaling.attentionFactor,
        original_max_position_embeddings: scaling.trainedPositions,
        truncate: scaling.truncate
      }
  }
}
