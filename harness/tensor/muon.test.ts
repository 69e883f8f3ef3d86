import golden from './golden/muon.json'
import { type BackendName, useBackend } from './index'
import { Muon } from './muon'

describe.each(['onnxruntime', 'cpu'] as const)('on %s', (backend: BackendName) => {
  beforeAll(() => useBackend(backend, { threads: 1 }))

  it.each(golden.cases.map((c) => [c.shape, c] as const))(
    'takes the steps of torch.optim.Muon for a matrix of %j',
    (shape, { start, rates, gradients, steps }) => {
      const values = Float32Array.from(start)
      const momentum = new Float32Array(start.length)
      const muon = new Muon({ momentum: 0.95, weightDecay: 0.1 })
      for (const [step, learningRate] of rates.entries()) {
        const gradient = Float32Array.from(gradients[step]!, (g) => 4 * g)
        const parameter = { values, momentum, gradient, shape: shape as [number, number] }
        muon.step(parameter, { learningRate, scale: 0.25 })
        for (const [i, wanted] of steps[step]!.entries()) expect(values[i]).toBeCloseTo(wanted, 4)
      }
    }
  )
})
