import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { explain } from './errors'
import { replaceWhole } from './replace'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-replace-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('replaces a file, or a folder with all it held', () => {
  replaceWhole(join(dir, 'new', 'file'), (to) => writeFileSync(to, 'one'))
  replaceWhole(join(dir, 'new', 'file'), (to) => writeFileSync(to, 'two'))
  expect(readFileSync(join(dir, 'new', 'file'), 'utf8')).toBe('two')
  const folder = (name: string) =>
    replaceWhole(join(dir, 'folder'), (to) => {
      mkdirSync(to)
      writeFileSync(join(to, name), '')
    })
  folder('a')
  folder('b')
  expect(readdirSync(join(dir, 'folder'))).toEqual(['b'])
})

it('keeps the old file and leaves nothing else when writing fails, and names the file', () => {
  const file = join(dir, 'file')
  writeFileSync(file, 'old')
  const full = () =>
    replaceWhole(file, (to) => {
      writeFileSync(to, 'half')
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    })
  let thrown: unknown
  try {
    full()
  } catch (error) {
    thrown = explain(error)
  }
  expect(thrown).toMatchObject({ message: 'the disk is full', place: file })
  expect(readdirSync(dir)).toEqual(['file'])
  expect(readFileSync(file, 'utf8')).toBe('old')
})
