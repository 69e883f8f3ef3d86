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
    super(shortened(message), options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'UserError'
    this.place = options.place
    this.hint = options.hint === undefined ? undefined : shortened(options.hint)
  }

  /** The whole message as a terminal shows it. */
  format(): string {
    const place = this.place === undefined ? '' : `${this.place}: `
    const hint = this.hint === undefined ? '' : `\n  ${this.hint.replaceAll('\n', '\n  ')}`
    return `${place}${this.message}${hint}`
  }
}

/** Messages quote what others wrote, which may be of any length. */
const shortened = (text: string): string => (text.length <= 2000 ? text : `${text.slice(0, 2000)} …`)

/** What the system says when the user can mend it, by error code. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  ENOSPC: [
    'the disk is full',
    'free some space; what was stored before is intact, and `bench run CONFIG --resume` goes on'
  ],
  EDQUOT: ['your disk quota is used up', 'free some space, then go on with `bench run CONFIG --resume`'],
  EACCES: ['no permission', 'choose another folder, or change the permissions of this one'],
  EPERM: ['not permitted', 'choose another folder, or change the permissions of this one'],
  EROFS: ['the file system is read-only', 'choose another folder'],
  ENOENT: ['no such file or folder', 'check the path'],
  EISDIR: ['this is a folder, a file is needed', 'check the path'],
  ENOTDIR: ['a part of this path is a file, not a folder', 'check the path'],
  EEXIST: ['it exists already', 'choose another name, or move it out of the way'],
  ENAMETOOLONG: ['the path is too long', 'choose a shorter one'],
  EFBIG: [
    'the file would become larger than is allowed here',
    'raise the limit (ulimit -f), or use a smaller limit of cases'
  ],
  ENOTEMPTY: ['the folder is not empty', 'choose another one'],
  ELOOP: ['the path leads around in links', 'check the links of this path'],
  EMFILE: ['too many files are open', 'raise the limit (ulimit -n)'],
  ENFILE: ['too many files are open on this machine', 'close other programs'],
  ENOMEM: ['memory ran out', 'use fewer workers (--workers 1) or a smaller model'],
  EIO: ['the disk fails to read or write', 'check the disk; what was stored before is checked when it is read'],
  EBUSY: ['something else is using it', 'wait, or choose another path'],
  EINVAL: ['the system refuses this path', 'choose another one']
}

/** A failed system call as a `UserError`; anything else comes back as it is. */
export function explain(error: unknown): unknown {
  if (error instanceof UserError || !(error instanceof Error)) return error
  const { code, path } = error as NodeJS.ErrnoException
  if (code === 'ERR_FS_FILE_TOO_LARGE')
    return new UserError('the file is larger than can be read at once', { cause: error })
  const known = code === undefined ? undefined : SYSTEM_ERRORS[code]
  if (known === undefined) return error
  return new UserError(known[0], { ...(path === undefined ? {} : { place: path }), hint: known[1], cause: error })
}
