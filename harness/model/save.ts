import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../replace'
import { ARCHITECTURES, fusedRow } from './architectures'
import { type TensorToWrite, writeSafetensors } from './checkpoint'
import { storedShape } from './language-model'
import type { ModelConfig } from './types'

/**
 * Writes a checkpoint folder in Hugging Face layout, loadable by transformers as it is.
 * @param weights by our names, linear maps as `[out, in]`
 * @param tokenizerFiles file name -> content
 */
export function saveModel(
  dir: string,
  config: ModelConfig,
  weights: ReadonlyMap<string, Float32Array>,
  tokenizerFiles: Readonly<Record<string, string>>,
  { dtype, endOfText }: { dtype: 'F16' | 'F32'; endOfText: number }
): void {
  makeFolder(dir)
  const architecture = ARCHITECTURES.find((a) => a.name === config.architecture)!
  const tensors = new Map<string, TensorToWrite>()
  for (const [name, source] of Object.entries(architecture.weights(config))) {
    const data = weights.get(name)
    if (data === undefined) {
      if (source.optional === true) continue
      throw new Error(`no weight '${name}' to save`)
    }
    const shape = storedShape(source)
    const stored = tensors.get(source.hf)?.data ?? new Float32Array(shape.reduce((a, b) => a * b, 1))
    const [n = 1, width = 1] = source.shape
    const stride = source.rows?.of ?? n
    for (let i = 0; i < n; i++) {
      const row = source.rows === undefined ? i : fusedRow(source.rows, i)
      for (let j = 0; j < width; j++)
        stored[source.transposed === true ? j * stride + row : row * width + j] =
          data[i * width + j]! - (source.plus ?? 0)
    }
    tensors.set(source.hf, { shape, data: stored })
  }
  const json = {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    ...architecture.configJson(config),
    bos_token_id: endOfText,
    eos_token_id: endOfText,
    torch_dtype: dtype === 'F16' ? 'float16' : 'float32'
  }
  writeFileSync(join(dir, 'config.json'), `${JSON.stringify(json, null, 2)}\n`)
  for (const [name, content] of Object.entries(tokenizerFiles)) writeFileSync(join(dir, name), content)
  writeSafetensors(join(dir, 'model.safetensors'), tensors, { dtype })
}
