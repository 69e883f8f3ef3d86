import { UserError } from '../../errors'
import type { ModelConfig, RotaryScaling } from '../types'
import type { ConfigReader } from './config-reader'

/** The rotary part of a config.json: at the top and in `rope_scaling` in older files, all in `rope_parameters` in newer ones. */
export function ropeOf(
  read: ConfigReader,
  fallbackTheta = 10000
): { config: Pick<ModelConfig, 'rotaryTheta' | 'rotaryScaling'>; share: number | undefined } {
  const [newer, older] = [read.part('rope_parameters'), read.part('rope_scaling')]
  const rope = newer ?? older
  const theta = read.number('rope_theta', fallbackTheta)
  const share = rope?.has('partial_rotary_factor') === true ? rope.number('partial_rotary_factor') : undefined
  return { config: rope === undefined ? { rotaryTheta: theta } : rotaryOf(rope, read, theta), share }
}

/** Base and scaling that one object of rotary parameters gives. */
export function rotaryOf(
  rope: ConfigReader,
  whole: ConfigReader,
  fallbackTheta: number
): Pick<ModelConfig, 'rotaryTheta' | 'rotaryScaling'> {
  const scaling = scalingOf(rope, whole)
  return {
    rotaryTheta: rope.number('rope_theta', fallbackTheta),
    ...(scaling === undefined ? {} : { rotaryScaling: scaling })
  }
}

function scalingOf(read: ConfigReader, whole: ConfigReader): RotaryScaling | undefined {
  const [newer, older] = [read.value('rope_type'), read.value('type')]
  const kind = newer ?? older ?? 'default'
  const trained = () => read.number('original_max_position_embeddings', whole.number('max_position_embeddings'))
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
        place: read.place,
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
