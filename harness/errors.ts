/**
 * A mistake the user can mend: shown as one message without a stack trace, exit code 2.
 * Everything else that is thrown is a bug and shows its stack.
 */
export class UserError extends Error {
  /** Where it is: a file with line, a key, a flag. */
  readonly place: string | undefined
  /** What to do about it. */
  readonly hint: string | undefined

  constructor(message: string, options: { place?: string; hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UserError'
    this.place = options.place
    this.hint = options.hint
  }

  /** The whole message as a terminal shows it. */
  format(): string {
    const place = this.place === undefined ? '' : `${this.place}: `
    const hint = this.hint === undefined ? '' : `\n  ${this.hint.replaceAll('\n', '\n  ')}`
    return `${place}${this.message}${hint}`
  }
}
