import golden from './golden/adamw.json'
import { Adam } from './optimizer'

describe('Adam', () => {
  test.each(golden.cases.map((c) => [c.decay, c.clip, c] as const))(
    'takes the steps of torch.optim.AdamW with decay %p and gradients clipped to %p',
    (_, __, { decay, clip, rates, start, gradients, steps }) => {
      const p = Float32Array.from(start)
      const adam = new Adam(new Map([['p', p]]), { learningRate: 1, beta2: 0.95, weightDecay: () => decay })
      for (const [i, learningRate] of rates.entries()) {
        const gradient = new Map([['p', Float32Array.from(gradients[i]!)]])
        const scale = clip === null ? 1 : Math.min(1, clip / (Math.hypot(...gradients[i]!) + 1e-6))
        adam.step(gradient, { learningRate, scale })
        for (const [j, wanted] of steps[i]!.entries()) expect(p[j]).toBeCloseTo(wanted, 5)
      }
    }
  )

  it('goes on from a stored state as if it had never stopped', () => {
    const gradient = (step: number) => new Map([['p', Float32Array.of(Math.sin(step), Math.cos(step))]])
    const whole = Float32Array.of(1, 2)
    const first = new Adam(new Map([['p', whole]]), { learningRate: 0.1 })
    for (let step = 0; step < 4; step++) first.step(gradient(step))
    const parts = Float32Array.of(1, 2)
    const moments = {
      first: new Map([['p', new Float32Array(2)]]),
      second: new Map([['p', new Float32Array(2)]])
    }
    const before = new Adam(new Map([['p', parts]]), { learningRate: 0.1, moments })
    for (let step = 0; step < 2; step++) before.step(gradient(step))
    const after = new Adam(new Map([['p', parts]]), { learningRate: 0.1, moments })
    after.steps = 2
    for (let step = 2; step < 4; step++) after.step(gradient(step))
    expect(parts).toEqual(whole)
  })

  it('leaves parameters without a gradient where they are', () => {
    const still = Float32Array.of(3)
    const adam = new Adam(
      new Map([
        ['moved', Float32Array.of(1)],
        ['still', still]
      ]),
      { learningRate: 1 }
    )
    adam.step(new Map([['moved', Float32Array.of(1)]]))
    expect(still[0]).toBe(3)
  })
})
