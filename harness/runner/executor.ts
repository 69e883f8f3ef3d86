import type { Task, TaskResults } from './tasks'

/** Does tasks: worker processes of this machine, or whatever else can. */
export interface Executor {
  /** Does a task when there is room for it. @throws UserError when it failed for a reason of the user's */
  run<T extends Task>(task: T): Promise<TaskResults[T['type']]>
  /** Stops; tasks in progress leave nothing behind. */
  close(): Promise<void>
}
