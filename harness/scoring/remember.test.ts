import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { codeHash, rememberOnDisk } from './remember'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-remember-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('makes something once for the same question of the same thing', () => {
  let made = 0
  const ask = (of: string, what: string, items: unknown) =>
    rememberOnDisk(dir, [of])(what, items, () => ({ n: ++made, x: 0.1 + 0.2 }))
  const first = ask('model', 'scores', ['a'])
  expect(ask('model', 'scores', ['a'])).toEqual(first)
  expect(ask('another', 'scores', ['a']).n).toBe(2)
  expect(ask('model', 'answers', ['a']).n).toBe(3)
  expect(ask('model', 'scores', ['a', 'b']).n).toBe(4)
  expect(readdirSync(dir)).toHaveLength(4)
})

it.each([
  ['cut off', (text: string) => text.slice(0, -3)],
  ['changed', (text: string) => text.replace('17', '18')],
  ['empty', () => '']
])('makes it anew where the file is %s', (_, damage) => {
  const remember = rememberOnDisk(dir, [])
  remember('scores', 1, () => [17])
  const file = join(dir, readdirSync(dir)[0]!)
  writeFileSync(file, damage(readFileSync(file, 'utf8')))
  expect(remember('scores', 1, () => [19])).toEqual([19])
  expect(remember('scores', 1, () => [20])).toEqual([19])
})

it('computes where nothing can be written', () => {
  expect(rememberOnDisk('/proc/no/such', [])('scores', 1, () => 5)).toBe(5)
})

it('names the code', () => expect(codeHash()).toMatch(/^[0-9a-f]{64}$/))
