import { readFileSync } from 'node:fs'
import { UserError } from './errors'

export type JsonObject = Readonly<Record<string, unknown>>

/** A file that holds one JSON object. @throws UserError that says what the file is instead */
export function readJsonObject(file: string): JsonObject {
  const text = readFileSync(file, 'utf8')
  if (isLfsPointer(text)) throw lfsPointer(file)
  if (text.trim() === '') throw new UserError('the file is empty', { place: file, hint: 'download it again' })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new UserError(`not JSON: ${(error as Error).message}`, { place: file })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  const found = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
  throw new UserError(`a JSON object is expected, found ${found}`, { place: file })
}

/** What Git leaves in place of a large file that was not fetched. */
export const isLfsPointer = (start: string): boolean => start.startsWith('version https://git-lfs.github.com/')

export const lfsPointer = (file: string): UserError =>
  new UserError('this is a Git LFS pointer, not the file itself', {
    place: file,
    hint: 'fetch what it points to: `git lfs pull` in the repository, or `bench fetch ORG/NAME`'
  })
