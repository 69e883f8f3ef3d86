import { randomStream } from '../random'
import { shareSteps, timeSteps } from './steps'

const options = { significance: 0.05, seed: 0, lines: 1 }
/** A run in which the first cases are right. */
const run = (right: number, cases = 40) => Float64Array.from({ length: cases }, (_, i) => Number(i < right))

describe('steps of shares', () => {
  it('are found where they are, with both levels, however many there are', () => {
    const runs = [40, 40, 40, 20, 20, 20, 20, 38, 38].map((right) => run(right))
    expect(shareSteps(runs, options)).toEqual([
      { at: 3, before: 1, after: 0.5, p: expect.any(Number), lost: 20, won: 0 },
      { at: 7, before: 0.5, after: expect.closeTo(0.95), p: expect.any(Number), lost: 0, won: 18 }
    ])
  })

  it('need answers that changed, and more of them than chance changes', () => {
    expect(shareSteps([run(20), run(20), run(20)], options)).toEqual([])
    expect(shareSteps([run(20), run(20), run(18)], options)).toEqual([])
    // McNemar's exact p of 6 lost and none won, for the one place where a step can be.
    const [step] = shareSteps([run(20), run(20), run(14)], options)
    expect(step!.p).toBeCloseTo(2 / 2 ** 6, 12)
    expect(shareSteps([run(20), run(20), run(14)], { ...options, lines: 2 })).toEqual([])
  })

  it('add up losses too small to be noticed one at a time', () => {
    const runs = [40, 40, 38, 38, 36, 36, 34, 34, 32, 32].map((right) => run(right))
    expect(shareSteps(runs.slice(0, 4), options)).toEqual([])
    expect(shareSteps(runs, options).length).toBeGreaterThan(0)
  })

  it('leave out cases that a side does not have', () => {
    const without = run(40).map((share, i) => (i < 10 ? Number.NaN : share))
    expect(shareSteps([without, without, run(40)], options)).toEqual([])
    expect(shareSteps([without, without, run(25)], options)[0]).toMatchObject({ at: 2, lost: 15 })
  })

  it('are hardly ever found in noise', () => {
    const random = randomStream(0, 'noise')
    let alarms = 0
    for (let h = 0; h < 200; h++) {
      const difficulty = Float64Array.from({ length: 40 }, () => random.uniform())
      const runs = Array.from({ length: 12 }, () => difficulty.map((d) => Number(random.uniform() < d)))
      if (shareSteps(runs, options).length > 0) alarms++
    }
    expect(alarms / 200).toBeLessThan(0.05)
  })
})

describe('steps of times', () => {
  const random = randomStream(0, 'times')
  const around = (ms: number, count: number) =>
    Array.from({ length: count }, () => ms * Math.exp(0.05 * random.normal()))

  it('are found where they are, of those that are large enough', () => {
    const [step, ...more] = timeSteps([...around(100, 8), ...around(150, 6)], options)
    expect(more).toEqual([])
    expect(step!.at).toBe(8)
    expect(step!.before / 100).toBeCloseTo(1, 1)
    expect(step!.after / 150).toBeCloseTo(1, 1)
    const exact = (ms: number) => Array.from({ length: 10 }, () => ms)
    expect(timeSteps([...exact(100), ...exact(108)], options)).toEqual([])
    expect(timeSteps([...exact(100), ...exact(112)], options)).toHaveLength(1)
  })

  it('are none in a few runs, and hardly ever in noise', () => {
    expect(timeSteps([100, 100, 150], options)).toEqual([])
    let alarms = 0
    for (let h = 0; h < 100; h++) if (timeSteps(around(100, 15), options).length > 0) alarms++
    expect(alarms).toBeLessThan(5)
  })
})
