import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { edited } from '../../harness/edit'
import { encodePrompt, encodeTarget, type LanguageModel, lastTokenOf, openModel, padBatch } from '../../harness/model'
import { crossEntropy, useBackend } from '../../harness/tensor'
import { norm } from '../../harness/tensor/linalg'
import { editAll } from '../context'
import { rome } from '.'
import { romeHyperparameters } from './hyperparameters'

const GOLDEN = join(__dirname, '../../harness/model/golden')
const NAMES = readdirSync(GOLDEN, { withFileTypes: true }).flatMap((f) => (f.isDirectory() ? [f.name] : []))

beforeAll(async () => {
  await useBackend('onnxruntime', { threads: 1 })
})

test.each(NAMES)(
  'on %s ROME writes the value it optimised, and the edited model is as sure of the target as promised',
  async (name) => {
    const model = await openModel(join(GOLDEN, name))
    const request = { prompt: 'The capital of France is', subject: 'France', target: 'Rome' }
    const h = romeHyperparameters.parse({
      layer: 1,
      key: 'prompt',
      context_templates: ['{}'],
      v_weight_decay: 1e-3,
      mom2_adjustment: false
    })
    const [edit] = await editAll(rome, model, [[request]], h)
    const site = 'layers.1.mlp.proj'
    const ids = encodePrompt(model.tokenizer, request.prompt)
    const subject = model.tokenizer.prefix.length + lastTokenOf(model.tokenizer, request.prompt, 21)
    const valueThere = (asked: LanguageModel) => {
      const { hidden, captured } = asked.forward(padBatch([ids]), { to: 2, capture: [site] })
      const { dim } = model.config
      const value = captured[site]!.dataSync().slice(subject * dim, (subject + 1) * dim)
      tf.dispose([hidden, captured[site]!])
      return value
    }
    const { deltaNorm, nll } = edit!.diagnostics.values!
    const arrived = valueThere(edited(model, edit!))
    const before = valueThere(model)
    expect(norm(arrived.map((x, i) => x - before[i]!)) / deltaNorm!).toBeCloseTo(1, 4)
    const target = encodeTarget(model.tokenizer, request.target)
    const nllWith = (change: (value: tf.Tensor3D) => tf.Tensor3D) => {
      const batch = padBatch([[...ids, ...target.slice(0, -1)]])
      const positions = Int32Array.from(target, (_, i) => ids.length - 1 + i)
      const logitsAt = { rows: new Int32Array(target.length), positions }
      const losses = tf.tidy(() => {
        const changes = new Map([[site, (_: tf.Tensor3D, value: tf.Tensor3D) => change(value)]])
        const { logits } = model.forward(batch, { logitsAt, changes })
        return crossEntropy(logits!, tf.tensor1d(target, 'int32')).mean()
      })
      return losses.dataSync()[0]!
    }
    const promised = nllWith((value) => {
      const change = new Float32Array(value.size)
      change.set(
        arrived.map((x, i) => x - before[i]!),
        subject * model.config.dim
      )
      return value.add(tf.tensor3d(change, value.shape))
    })
    expect(promised).toBeCloseTo(nll!, 3)
    expect(nllWith((value) => value)).toBeGreaterThan(nll! + 0.1)
    model.dispose()
  }
)
