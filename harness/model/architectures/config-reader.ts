import { UserError } from '../../errors'

/** Reads numbers and switches out of a config.json, naming the key when one is missing. */
export class ConfigReader {
  readonly #json: Readonly<Record<string, unknown>>

  constructor(json: Readonly<Record<string, unknown>>) {
    this.#json = json
  }

  number(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw new UserError(`'${key}' must be a number, found ${JSON.stringify(value)}`, { place: 'config.json' })
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback
    if (typeof value === 'boolean') return value
    throw new UserError(`'${key}' must be true or false, found ${JSON.stringify(value)}`, { place: 'config.json' })
  }

  /** Refuses checkpoints that would silently compute something else. */
  only(key: string, allowed: readonly unknown[], fallback: unknown): void {
    const value = this.#json[key] ?? fallback
    if (!allowed.includes(value)) {
      throw new UserError(
        `'${key}' is ${JSON.stringify(value)}, supported is ${allowed.map((a) => JSON.stringify(a)).join(' or ')}`,
        {
          place: 'config.json'
        }
      )
    }
  }
}
