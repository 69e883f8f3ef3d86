import { UserError } from '../errors'

/** One thing that was checked. */
export interface Finding {
  readonly what: string
  /** Undefined when it holds. */
  readonly problem?: string
}

/** Checks things one after another; what fails is noted, and what rests on it is left out. */
export class Checks {
  readonly findings: Finding[] = []

  /** @returns what the check gives, undefined when it failed */
  async that<T>(what: string, check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      const value = await check()
      this.findings.push({ what })
      return value
    } catch (error) {
      const problem = error instanceof UserError ? error.format() : ((error as Error).message ?? String(error))
      this.findings.push({ what, problem })
      return undefined
    }
  }
}

/** @throws Error when something does not hold */
export function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
