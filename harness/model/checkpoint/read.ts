import { fstatSync, readSync } from 'node:fs'
import { UserError } from '../../errors'

/** So many bytes of a file from an offset, in memory of its own. @throws UserError when the file ends before */
export function readExactly(fd: number, offset: number, bytes: number): Buffer<ArrayBuffer> {
  // Offsets and sizes come from the file: nothing is set aside that it cannot fill.
  if (!(offset >= 0 && bytes >= 0 && offset + bytes <= fstatSync(fd).size))
    throw new UserError(`the file has no ${bytes} bytes at ${offset}`, { hint: 'it is damaged: download it again' })
  // Not pooled, so that the typed array over it is aligned.
  const data = Buffer.from(new ArrayBuffer(bytes))
  // One read call moves at most 2 GiB.
  for (let done = 0; done < bytes; ) {
    const got = readSync(fd, data, done, Math.min(bytes - done, 2 ** 30), offset + done)
    if (got === 0) throw new UserError('the file ended while it was read')
    done += got
  }
  return data
}
