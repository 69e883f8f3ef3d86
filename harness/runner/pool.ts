import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import pLimit from 'p-limit'
import { UserError } from '../errors'
import type { Executor } from './executor'
import type { PlainError, Task, TaskMessage, TaskResults, WorkEvent, WorkerMessage, WorkerSetup } from './tasks'

export interface PoolOptions {
  /** A worker that has said nothing and used no processor time for so long is stuck. */
  readonly stuckMs?: number
  /** How long workers may take to stop by themselves. */
  readonly graceMs?: number
  /** Program of a worker; for tests. */
  readonly file?: string
}

interface Worker {
  process: ChildProcess
  busy: boolean
  /** Settles the task in progress. */
  current?: { id: number; resolve: (result: unknown) => void; reject: (error: unknown) => void }
  stderr: string
  /** Processor time when it was last seen at work, and when that was. */
  seen: { ticks: number | undefined; at: number }
  stuck: boolean
}

/** A worker ended in the middle of a task. */
class WorkerDied extends UserError {}

/** Worker processes, each doing one task at a time; tasks wait in line by p-limit. A dead worker is started again and its task tried once more. */
export class WorkerPool implements Executor {
  readonly #workers: Worker[]
  readonly #setup: WorkerSetup
  readonly #limit: pLimit.Limit
  readonly #onEvent: (event: WorkEvent) => void
  readonly #options: Required<PoolOptions>
  readonly #watch: NodeJS.Timeout
  #nextId = 0
  #closed = false

  constructor(size: number, setup: WorkerSetup, onEvent: (event: WorkEvent) => void, options: PoolOptions = {}) {
    this.#setup = setup
    this.#onEvent = onEvent
    // The same loader runs the workers from their sources when it runs us from ours.
    const file = join(__dirname, `worker${extname(__filename)}`)
    this.#options = { stuckMs: 180_000, graceMs: 1500, file, ...options }
    this.#limit = pLimit(size)
    this.#workers = Array.from({ length: size }, () => this.#start())
    this.#watch = setInterval(() => this.#stopStuck(), this.#options.stuckMs / 6)
    this.#watch.unref()
  }

  /** Does the task on the next free worker. @throws UserError when the worker did, or died twice. */
  run<T extends Task>(task: T): Promise<TaskResults[T['type']]> {
    return this.#limit(async () => {
      const worker = this.#workers.find((w) => !w.busy)!
      worker.busy = true
      try {
        return await this.#twice(worker, task)
      } finally {
        worker.busy = false
        delete worker.current
      }
    })
  }

  /** Stops the workers, gently before hard; their unfinished shards leave nothing behind. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#watch)
    this.#limit.clearQueue()
    const ended = this.#workers.map(({ process }) => exitOf(process))
    // A worker without a parent has no work, and ends by itself at its next turn.
    for (const { process } of this.#workers) if (process.connected) process.disconnect()
    const patience = new Promise((resolve) => setTimeout(resolve, this.#options.graceMs).unref())
    await Promise.race([Promise.all(ended), patience])
    for (const { process } of this.#workers) process.kill('SIGKILL')
    await Promise.all(ended)
  }

  async #twice<T extends Task>(worker: Worker, task: T): Promise<TaskResults[T['type']]> {
    try {
      return (await this.#send(worker, task)) as TaskResults[T['type']]
    } catch (error) {
      if (!(error instanceof WorkerDied) || this.#closed) throw error
      this.#onEvent({
        type: 'log',
        message: 'a worker died; its task is tried once more',
        details: { task: task.type, reason: error.message }
      })
      Object.assign(worker, { ...this.#start(), busy: true })
      return (await this.#send(worker, task)) as TaskResults[T['type']]
    }
  }

  #start(): Worker {
    const child = fork(this.#options.file, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Tasks and results hold typed arrays.
      serialization: 'advanced'
    })
    const worker: Worker = {
      process: child,
      busy: false,
      stderr: '',
      seen: { ticks: undefined, at: performance.now() },
      stuck: false
    }
    // A worker that was replaced has no say any more.
    const own = (act: (now: Worker) => void) => {
      const now = this.#workers?.find((w) => w.process === child)
      if (now !== undefined) act(now)
    }
    child.stderr?.on('data', (text) => own((w) => (w.stderr = (w.stderr + text).slice(-4000))))
    child.on('message', (message: WorkerMessage) => own((w) => this.#receive(w, message)))
    child.on('error', () => {})
    // Once its last words have arrived.
    child.on('close', (code, signal) => own((w) => !this.#closed && w.current?.reject(died(w, code, signal))))
    return worker
  }

  #send(worker: Worker, task: Task): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { exitCode, signalCode } = worker.process
      if (exitCode !== null || signalCode !== null) {
        reject(died(worker, exitCode, signalCode))
        return
      }
      const id = this.#nextId++
      worker.current = { id, resolve, reject }
      worker.seen = { ticks: undefined, at: performance.now() }
      const message: TaskMessage = { id, setup: this.#setup, task }
      worker.process.send(message, (error) => {
        if (error !== null && !this.#closed) reject(died(worker, null, null))
      })
    })
  }

  #receive(worker: Worker, message: WorkerMessage): void {
    worker.seen = { ticks: undefined, at: performance.now() }
    switch (message.type) {
      case 'event':
        this.#onEvent(message.event)
        return
      case 'done':
        worker.current?.resolve(message.result)
        return
      case 'failed':
        worker.current?.reject(revived(message.error))
    }
  }

  /** Long work uses the processor; a worker that does neither that nor say anything will not come back. */
  #stopStuck(): void {
    for (const worker of this.#workers) {
      if (worker.current === undefined) continue
      const ticks = processorTicks(worker.process.pid)
      const now = performance.now()
      if (ticks === undefined || ticks !== worker.seen.ticks) worker.seen = { ticks, at: now }
      else if (now - worker.seen.at > this.#options.stuckMs) {
        worker.stuck = true
        worker.process.kill('SIGKILL')
      }
    }
  }
}

const exitOf = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null || child.pid === undefined
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

/** Processor time of a process so far, in the system's ticks; undefined where the system does not tell. */
function processorTicks(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return undefined
  }
}

function died(worker: Worker, code: number | null, signal: string | null): WorkerDied {
  const said = worker.stderr.trim().split('\n').slice(-3).join('\n')
  const memory = /heap out of memory|bad_alloc|ENOMEM/i.test(worker.stderr) || (signal === 'SIGKILL' && !worker.stuck)
  const how = worker.stuck
    ? 'did nothing any more and was stopped'
    : signal === null
      ? `ended with exit code ${code}`
      : `was killed (${signal})`
  return new WorkerDied(`a worker process ${how} in the middle of its work${said === '' ? '' : `:\n${said}`}`, {
    hint: memory
      ? 'what is stored is intact; memory probably ran out: use fewer workers (--workers 1) or a smaller shard_size, then go on with --resume'
      : 'what is stored is intact; go on with --resume'
  })
}

function revived({ message, user, stack }: PlainError): Error {
  if (user !== undefined) return new UserError(message, user)
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
