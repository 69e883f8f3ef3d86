import * as tf from '@tensorflow/tfjs-core'
import type { RotaryScaling, TokenBatch } from './types'

/** cos and sin of every position's angles, `[batch, seq, R/2]`. */
export interface RotaryTables {
  readonly cos: tf.Tensor3D
  readonly sin: tf.Tensor3D
}

/** cos and sin of position · frequency for R rotated dimensions (arXiv 2104.09864, eq. 15). */
export function rotaryTables(
  rotaryDim: number,
  theta: number,
  scaling: RotaryScaling | undefined,
  positions: Int32Array,
  { batch, seq }: TokenBatch
): RotaryTables {
  const frequencies = rotaryFrequencies(rotaryDim, theta, scaling)
  const half = frequencies.length
  const factor = scaling?.kind === 'yarn' ? scaling.attentionFactor : 1
  const cos = new Float32Array(positions.length * half)
  const sin = new Float32Array(positions.length * half)
  for (let p = 0; p < positions.length; p++) {
    for (let i = 0; i < half; i++) {
      const angle = positions[p]! * frequencies[i]!
      cos[p * half + i] = factor * Math.cos(angle)
      sin[p * half + i] = factor * Math.sin(angle)
    }
  }
  return { cos: tf.tensor3d(cos, [batch, seq, half]), sin: tf.tensor3d(sin, [batch, seq, half]) }
}

/** Angle per position of every pair of dimensions, θ^(-2i/R) unless scaled; in float32, as the reference has them. */
export function rotaryFrequencies(rotaryDim: number, theta: number, scaling?: RotaryScaling): Float32Array {
  const plain = Float32Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** ((-2 * i) / rotaryDim))
  switch (scaling?.kind) {
    case undefined:
      return plain
    case 'linear':
      return plain.map((f) => f / scaling.factor)
    case 'llama3': {
      const { factor, lowFrequency, highFrequency, trainedPositions } = scaling
      return plain.map((f) => {
        // How often the dimension turns over the length the model was trained on.
        const turns = (trainedPositions * f) / (2 * Math.PI)
        const kept = Math.min(1, Math.max(0, (turns - lowFrequency) / (highFrequency - lowFrequency)))
        return kept * f + (1 - kept) * (f / factor)
      })
    }
    case 'yarn': {
      const { factor, betaFast, betaSlow, trainedPositions, truncate } = scaling
      // The dimension that turns so often over the trained length.
      const dimension = (turns: number) =>
        (rotaryDim * Math.log(trainedPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
      const low = Math.max(0, truncate ? Math.floor(dimension(betaFast)) : dimension(betaFast))
      const high = Math.min(rotaryDim - 1, truncate ? Math.ceil(dimension(betaSlow)) : dimension(betaSlow))
      return plain.map((f, i) => {
        const slowed = Math.min(1, Math.max(0, (i - low) / Math.max(high - low, 1e-3)))
        return slowed * (f / factor) + (1 - slowed) * f
      })
    }
  }
}
