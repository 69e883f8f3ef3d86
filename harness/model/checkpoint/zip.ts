import { UserError } from '../../errors'
import { readExactly } from './read'

/** An entry of a zip archive that is stored as it is, without compression. */
export interface ZipEntry {
  readonly name: string
  /** Where its bytes lie in the file. */
  readonly offset: number
  readonly bytes: number
}

const END_OF_DIRECTORY = 0x06054b50
const END_OF_DIRECTORY_64 = 0x06064b50
const LOCATOR_64 = 0x07064b50
const DIRECTORY_ENTRY = 0x02014b50
const LOCAL_HEADER = 0x04034b50

/** Some 100 bytes are an entry, and the largest checkpoints have a few thousand. */
const MOST_DIRECTORY_BYTES = 16 * 2 ** 20

/** Of the 64-bit extra field. */
const EXTRA_64 = 0x0001

/**
 * The entries of a zip archive (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT), of files of any size.
 * @throws UserError when the archive is damaged or an entry is compressed
 */
export function readZipDirectory(fd: number, file: string, size: number): Map<string, ZipEntry> {
  const bad = (message: string) =>
    new UserError(message, {
      place: file,
      hint: 'download the file again; it is incomplete or not a PyTorch checkpoint'
    })
  const { offset, bytes, count } = findDirectory(fd, size, bad)
  if (!(offset + bytes <= size)) throw bad('the archive is cut short: its directory lies beyond the end')
  if (bytes > MOST_DIRECTORY_BYTES) throw bad(`its directory of ${bytes} bytes is larger than any checkpoint's`)
  const directory = readExactly(fd, offset, bytes)
  const entries = new Map<string, ZipEntry>()
  let at = 0
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes || directory.readUInt32LE(at) !== DIRECTORY_ENTRY)
      throw bad('the directory of the archive is damaged')
    const method = directory.readUInt16LE(at + 10)
    const nameLength = directory.readUInt16LE(at + 28)
    const extraLength = directory.readUInt16LE(at + 30)
    const commentLength = directory.readUInt16LE(at + 32)
    const name = directory.toString('utf8', at + 46, at + 46 + nameLength)
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength)
    const fields = { bytes: directory.readUInt32LE(at + 24), header: directory.readUInt32LE(at + 42) }
    const wide = wideFields(extra, directory.readUInt32LE(at + 20), fields, bad)
    if (method !== 0) throw bad(`'${name}' is compressed; PyTorch stores its tensors as they are`)
    if (wide.header + 30 > size) throw bad(`the archive is cut short: '${name}' lies beyond the end`)
    const header = readExactly(fd, wide.header, 30)
    if (header.readUInt32LE(0) !== LOCAL_HEADER) throw bad(`the header of '${name}' is damaged`)
    const data = wide.header + 30 + header.readUInt16LE(26) + header.readUInt16LE(28)
    if (data + wide.bytes > size)
      throw bad(`the archive is cut short: '${name}' ends at byte ${data + wide.bytes}, the file at ${size}`)
    entries.set(name, { name, offset: data, bytes: wide.bytes })
    at += 46 + nameLength + extraLength + commentLength
  }
  return entries
}

type Bad = (message: string) => UserError

function findDirectory(fd: number, size: number, bad: Bad): { offset: number; bytes: number; count: number } {
  // The record stands at the end, before a comment of at most 64 KiB.
  const tailStart = Math.max(0, size - 65_557)
  const tail = readExactly(fd, tailStart, size - tailStart)
  let at = tail.length - 22
  while (at >= 0 && tail.readUInt32LE(at) !== END_OF_DIRECTORY) at--
  if (at < 0) throw bad('the archive is cut short: it has no directory')
  const narrow = {
    count: tail.readUInt16LE(at + 10),
    bytes: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16)
  }
  const locator = at - 20
  if (locator < 0 || tail.readUInt32LE(locator) !== LOCATOR_64) return narrow
  const place = Number(tail.readBigUInt64LE(locator + 8))
  if (place + 56 > size) throw bad('the archive is cut short: its directory lies beyond the end')
  const record = readExactly(fd, place, 56)
  if (record.readUInt32LE(0) !== END_OF_DIRECTORY_64) throw bad('the directory of the archive is damaged')
  return {
    count: Number(record.readBigUInt64LE(32)),
    bytes: Number(record.readBigUInt64LE(40)),
    offset: Number(record.readBigUInt64LE(48))
  }
}

/** Sizes that do not fit 32 bits stand in an extra field, in the order uncompressed, compressed, header. */
function wideFields(extra: Buffer, compressed: number, narrow: { bytes: number; header: number }, bad: Bad) {
  const full = 0xffffffff
  let { bytes, header } = narrow
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== EXTRA_64) continue
    let field = at + 4
    const next = () => {
      if (field + 8 > extra.length) throw bad('the directory of the archive is damaged')
      const value = Number(extra.readBigUInt64LE(field))
      field += 8
      return value
    }
    if (bytes === full) bytes = next()
    if (compressed === full) next()
    if (header === full) header = next()
  }
  return { bytes, header }
}
