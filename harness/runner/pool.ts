import { type ChildProcess, fork } from 'node:child_process'
import { extname, join } from 'node:path'
import pLimit from 'p-limit'
import { UserError } from '../errors'
import type { PlainError, Task, TaskMessage, TaskResults, WorkerMessage, WorkerSetup } from './tasks'

export interface PoolEvents {
  readonly onEdit: (setting: string, count: number) => void
  readonly onLog: (message: string, details?: Readonly<Record<string, unknown>>) => void
}

interface Worker {
  readonly process: ChildProcess
  busy: boolean
  /** Settles the task in progress. */
  current?: { id: number; resolve: (result: unknown) => void; reject: (error: unknown) => void }
  stderr: string
}

/** Worker processes, each doing one task at a time; tasks wait in line by p-limit. */
export class WorkerPool {
  readonly #workers: Worker[]
  readonly #setup: WorkerSetup
  readonly #limit: pLimit.Limit
  readonly #events: PoolEvents
  #nextId = 0
  #closed = false

  constructor(size: number, setup: WorkerSetup, events: PoolEvents) {
    this.#setup = setup
    this.#events = events
    this.#limit = pLimit(size)
    this.#workers = Array.from({ length: size }, () => this.#start())
  }

  /** Does the task on the next free worker. @throws UserError when the worker did, or died. */
  run<T extends Task>(task: T): Promise<TaskResults[T['type']]> {
    return this.#limit(async () => {
      const worker = this.#workers.find((w) => !w.busy)!
      worker.busy = true
      try {
        return (await this.#send(worker, task)) as TaskResults[T['type']]
      } finally {
        worker.busy = false
        delete worker.current
      }
    })
  }

  /** Stops the workers, also in the middle of a task; their unfinished shards leave nothing behind. */
  close(): void {
    this.#closed = true
    this.#limit.clearQueue()
    for (const { process } of this.#workers) process.kill('SIGKILL')
  }

  #start(): Worker {
    // The same loader runs the workers from their sources when it runs us from ours.
    const file = join(__dirname, `worker${extname(__filename)}`)
    const child = fork(file, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const worker: Worker = { process: child, busy: false, stderr: '' }
    child.stderr?.on('data', (text) => {
      worker.stderr = (worker.stderr + text).slice(-4000)
    })
    child.on('message', (message: WorkerMessage) => this.#receive(worker, message))
    child.on('exit', (code, signal) => {
      if (this.#closed) return
      worker.current?.reject(died(worker, code, signal))
    })
    return worker
  }

  #send(worker: Worker, task: Task): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (worker.process.exitCode !== null || worker.process.signalCode !== null) {
        reject(died(worker, worker.process.exitCode, worker.process.signalCode))
        return
      }
      const id = this.#nextId++
      worker.current = { id, resolve, reject }
      const message: TaskMessage = { id, setup: this.#setup, task }
      worker.process.send(message)
    })
  }

  #receive(worker: Worker, message: WorkerMessage): void {
    switch (message.type) {
      case 'edit':
        this.#events.onEdit(message.setting, message.count)
        return
      case 'log':
        this.#events.onLog(message.message, message.details)
        return
      case 'done':
        worker.current?.resolve(message.result)
        return
      case 'failed':
        worker.current?.reject(revived(message.error))
    }
  }
}

function died(worker: Worker, code: number | null, signal: string | null): UserError {
  const how = signal === null ? `ended with exit code ${code}` : `was killed (${signal})`
  const said = worker.stderr.trim().split('\n').slice(-3).join('\n')
  return new UserError(`a worker process ${how} in the middle of its work${said === '' ? '' : `:\n${said}`}`, {
    hint: 'what is stored is intact; if memory ran out, use fewer workers (--workers 1), then go on with --resume'
  })
}

function revived({ message, user, stack }: PlainError): Error {
  if (user !== undefined) return new UserError(message, user)
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
