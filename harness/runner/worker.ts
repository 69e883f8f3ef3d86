import { explain, UserError } from '../errors'
import { WorkerState } from './execute'
import type { PlainError, TaskMessage, WorkerMessage } from './tasks'

/** A worker process: does one task at a time, keeps its models open in between. */
const send = (message: WorkerMessage): void => {
  process.send?.(message)
}
const state = new WorkerState((event) => send({ type: 'event', event }))
let queue = Promise.resolve()

process.on('message', ({ id, setup, task }: TaskMessage) => {
  queue = queue.then(async () => {
    try {
      send({ type: 'done', id, result: await state.execute(setup, task) })
    } catch (error) {
      send({ type: 'failed', id, error: plainError(error) })
    }
  })
})
// The parent decides what an interrupt means, and a worker without a parent has no work.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))

function plainError(thrown: unknown): PlainError {
  const error = explain(thrown)
  if (error instanceof UserError) {
    const { message, place, hint } = error
    return {
      message,
      user: { ...(place === undefined ? {} : { place }), ...(hint === undefined ? {} : { hint }) }
    }
  }
  if (error instanceof Error) return { message: error.message, ...(error.stack ? { stack: error.stack } : {}) }
  return { message: String(error) }
}
