import type { OnRunEvent } from './events'
import type { Plan } from './plan'
import type { PlannedShard } from './shards'

/** More cases failed than the config allows. */
export class TooManyFailed extends Error {}

/** Counts failed edits, and stops the run when there are more than the config allows. */
export class Failures {
  readonly #edits: number
  readonly #most: number
  readonly #policy: string
  #failed = 0

  constructor({ shards, config }: Plan) {
    this.#edits = shards.reduce((sum, s) => sum + s.cases.length * s.settings.length, 0)
    const { max_failed: most } = config
    this.#policy = String(most)
    this.#most =
      most === undefined
        ? Number.POSITIVE_INFINITY
        : typeof most === 'number'
          ? most
          : (Number.parseInt(most, 10) / 100) * this.#edits
  }

  add(failed: number): void {
    this.#failed += failed
    if (this.#failed > this.#most)
      throw new TooManyFailed(
        `${this.#failed} of ${this.#edits} edits failed, more than max_failed: ${this.#policy} allows`
      )
  }

  count(): { edits: number; failed: number } {
    return { edits: this.#edits, failed: this.#failed }
  }
}

/** Counts the cases that are edited; those whose facts are found already, which is most of the work. */
export class ProgressCount {
  readonly total: number
  readonly #onEvent: OnRunEvent
  #done = 0
  /** By setting, cases that were counted when their facts were found. */
  readonly #ahead = new Map<string, number>()

  constructor(plan: Plan, onEvent: OnRunEvent) {
    this.total = plan.shards.reduce((sum, s) => sum + s.cases.length * s.settings.length, 0)
    this.#onEvent = onEvent
  }

  find(setting: string, count: number): void {
    this.#ahead.set(setting, (this.#ahead.get(setting) ?? 0) + count)
    this.#add(count)
  }

  edit(setting: string, count: number): void {
    const ahead = this.#ahead.get(setting) ?? 0
    this.#ahead.set(setting, Math.max(0, ahead - count))
    this.#add(Math.max(0, count - ahead))
  }

  #add(count: number): void {
    // A case that is tried again counts once.
    this.#done = Math.min(this.total, this.#done + count)
    this.#onEvent({ type: 'progress', done: this.#done, total: this.total })
  }

  skip({ cases, settings }: PlannedShard): void {
    this.#done += cases.length * settings.length
  }
}
