import { readFileSync, statSync } from 'node:fs'
import { UserError } from './errors'

export type JsonObject = Readonly<Record<string, unknown>>

/** More than any configuration, vocabulary or index has (Gemma's tokenizer.json: 33 MB). */
const MOST_BYTES = 256 * 2 ** 20
const MOST_DEPTH = 100

/** A file that holds one JSON object. @throws UserError that says what the file is instead */
export function readJsonObject(file: string): JsonObject {
  const { size } = statSync(file)
  if (size > MOST_BYTES)
    throw new UserError(`${size} bytes are more than such a file has (${MOST_BYTES} at most)`, { place: file })
  const text = readFileSync(file, 'utf8')
  if (isLfsPointer(text)) throw lfsPointer(file)
  if (text.trim() === '') throw new UserError('the file is empty', { place: file, hint: 'download it again' })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UserError(`not JSON: ${(error as Error).message}`, { place: file })
  }
  if (depthOf(text) > MOST_DEPTH)
    throw new UserError(`lists and objects lie more than ${MOST_DEPTH} deep in one another`, { place: file })
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  const found = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
  throw new UserError(`a JSON object is expected, found ${found}`, { place: file })
}

/** How deep lists and objects lie in one another in a text that is JSON. By its characters: a pattern over strings of megabytes overflows the stack. */
function depthOf(json: string): number {
  const [quote, backslash] = [34, 92]
  let [depth, most] = [0, 0]
  for (let i = 0; i < json.length; i++) {
    const sign = json[i]
    if (sign === '"') {
      for (i++; json.charCodeAt(i) !== quote; i++) if (json.charCodeAt(i) === backslash) i++
    } else if (sign === '[' || sign === '{') most = Math.max(most, ++depth)
    else if (sign === ']' || sign === '}') depth--
  }
  return most
}

/** What Git leaves in place of a large file that was not fetched. */
export const isLfsPointer = (start: string): boolean => start.startsWith('version https://git-lfs.github.com/')

export const lfsPointer = (file: string): UserError =>
  new UserError('this is a Git LFS pointer, not the file itself', {
    place: file,
    hint: 'fetch what it points to: `git lfs pull` in the repository, or `bench fetch ORG/NAME`'
  })
