import { types } from 'node:util'
import { UserError } from '../errors'

/** How often to try, and how long to wait after the first time, in ms; doubled each time. */
export interface Patience {
  readonly attempts: number
  readonly firstWaitMs: number
}
export const PATIENCE: Patience = { attempts: 5, firstWaitMs: 1000 }

/** A server that says nothing for so long is gone. */
export const SILENCE_MS = 60_000

/** Statuses that pass by themselves. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504])

/** A server's word that it cannot answer now. */
export class PassingStatus extends Error {
  constructor(
    readonly statusCode: number,
    /** What it asks us to wait, 0 when it does not. */
    readonly waitMs: number
  ) {
    super(`the server answered ${statusCode}`)
  }

  static of({ status, headers }: Response): PassingStatus | undefined {
    if (!PASSING.has(status)) return undefined
    const seconds = Number(headers.get('retry-after'))
    return new PassingStatus(status, Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0)
  }
}

/** A connection that ended before the file did. */
export class CutOff extends Error {
  constructor(path: string, cause: Error) {
    super(`the download of ${path} was cut off`, { cause })
  }
}

/**
 * Tries work again while what stops it may pass: a server's word, a cut connection. `progressed` starts the count anew.
 * @throws the last error
 */
export async function patiently<T>(
  { attempts, firstWaitMs }: Patience,
  onRetry: (reason: string) => void,
  work: (progressed: () => void) => Promise<T>
): Promise<T> {
  let failed = 0
  for (;;) {
    try {
      return await work(() => {
        failed = 0
      })
    } catch (error) {
      if (!mayPass(error) || ++failed >= attempts) throw error
      const passing = error instanceof PassingStatus ? error : undefined
      onRetry(passing?.message ?? 'the connection failed')
      const asked = Math.min(passing?.waitMs ?? 0, 60 * firstWaitMs)
      const wait = asked > 0 ? asked : firstWaitMs * 2 ** (failed - 1)
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
}

/** Whether an error is of the network: a full disk is not, nor is what was found wrong. */
export const mayPass = (error: unknown): error is Error =>
  types.isNativeError(error) &&
  !(error instanceof UserError) &&
  !/^E(NOSPC|DQUOT|ACCES|PERM|ROFS|FBIG|NOTDIR|ISDIR|NAMETOOLONG)$/.test(String((error as NodeJS.ErrnoException).code))
