import { Presets, SingleBar } from 'cli-progress'
import type { RunEvent } from '../runner/events'
import { duration, printNote } from '../terminal'

/** Shows how far a run is: a bar with rate and time left on a terminal, a line now and then elsewhere. Always on stderr. */
export interface ProgressView {
  update(done: number, total: number): void
  training(progress: Extract<RunEvent, { type: 'training' }>): void
  stop(): void
}

/** Lines of a plain log are at least so far apart. */
const QUIET_MS = 10_000
const READING_MS = 3_000

export function progressView(terminal: boolean): ProgressView {
  return terminal ? bar() : lines()
}

function bar(): ProgressView {
  const view = new SingleBar(
    {
      format: '  {bar} {percentage} %  {value}/{total} edits  {rate} edits/s  {left} left',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true
    },
    Presets.shades_classic
  )
  let clock: Clock | undefined
  return {
    update(done, total) {
      if (clock === undefined) {
        clock = new Clock(done)
        view.start(total, done, { rate: '-', left: '-' })
      }
      view.update(done, clock.read(done, total))
    },
    training: trainingNotes(),
    stop: () => {
      if (clock !== undefined) view.stop()
    }
  }
}

function lines(): ProgressView {
  let clock: Clock | undefined
  let last = performance.now()
  return {
    update(done, total) {
      clock ??= new Clock(done)
      const now = performance.now()
      if (now - last < QUIET_MS && done < total) return
      last = now
      const { rate, left } = clock.read(done, total)
      process.stderr.write(`${done}/${total} edits, ${rate} edits/s, ${left} left\n`)
    },
    training: trainingNotes(),
    stop: () => {}
  }
}

/** A line now and then on what a method learns beforehand. */
function trainingNotes(): ProgressView['training'] {
  let last = performance.now() - QUIET_MS
  return ({ setting, step, steps, loss }) => {
    const now = performance.now()
    if (now - last < QUIET_MS && step < steps) return
    last = now
    const how = loss === undefined ? '' : `, loss ${loss.toFixed(3)}`
    printNote(`training ${setting}: ${step} of ${steps}${how}`)
  }
}

/** Rate and time left since the first edit of this session. */
class Clock {
  readonly #start = performance.now()
  readonly #before: number

  constructor(before: number) {
    this.#before = before
  }

  read(done: number, total: number): { rate: string; left: string } {
    const seconds = (performance.now() - this.#start) / 1000
    const rate = (done - this.#before) / seconds
    if (!(rate > 0) || !Number.isFinite(rate)) return { rate: '-', left: '-' }
    return { rate: rate.toFixed(1), left: duration((total - done) / rate) }
  }
}

/** Notes on stderr while large data files are read: none in the first seconds, then one now and then. */
export function readingNotes(): (dataset: string, bytes: number, total: number) => void {
  let last = performance.now()
  return (dataset, bytes, total) => {
    const now = performance.now()
    if (now - last < READING_MS) return
    last = now
    process.stderr.write(`reading ${dataset}: ${((100 * bytes) / Math.max(1, total)).toFixed(0)} %\n`)
  }
}
