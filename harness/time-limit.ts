import { createContext, Script } from 'node:vm'
import { UserError } from './errors'

let current: () => void
const call = new Script('work()')
const context = createContext({ work: () => current() })

/**
 * Does synchronous work that must end within a time: reading what others wrote, where a few bytes can ask for hours.
 * @throws UserError that says what took too long
 */
export function withinTime<T>(ms: number, what: string, work: () => T): T {
  let result!: T
  current = () => {
    result = work()
  }
  try {
    call.runInContext(context, { timeout: Math.ceil(ms) })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    throw new UserError(
      `${what} takes more than ${ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(0)} seconds`} to read`,
      {
        hint: 'it is damaged, or made to take long'
      }
    )
  }
  return result
}
