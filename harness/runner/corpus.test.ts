import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeCorpus, openCorpus } from './corpus'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-corpus-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const put = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text)
  return join(dir, name)
}
const documents = async (file: string) => [
  ...openCorpus(await describeCorpus({ file }, join(dir, 'cache'))).documents()
]

it.each([
  ['text', 'c.txt', 'one two\n\n"three"\n{"text":"four"}', ['one two', '"three"', '{"text":"four"}']],
  ['JSON Lines', 'c.jsonl', '{"text":"one\\ntwo","id":1}\n\n{"text":""}\n{"text":"three"}', ['one\ntwo', 'three']],
  ['CSV', 'c.csv', 'id,text\n1,"one, two"\n2,three\n', ['one, two', 'three']]
])('reads %s', async (_, name, text, expected) => {
  expect(await documents(put(name, text))).toEqual(expected)
})

it('keeps the rows of a table under its content', async () => {
  const file = put('c.csv', 'text\none\n')
  expect(await documents(file)).toEqual(['one'])
  expect(await documents(file)).toEqual(['one'])
  put('c.csv', 'text\ntwo\n')
  expect(await documents(file)).toEqual(['two'])
  expect(readdirSync(join(dir, 'cache', 'corpora'))).toHaveLength(2)
})

it.each([
  ['no JSON', 'c.jsonl', '{"text":"one"}\n\ntwo', 'c.jsonl:3', 'not JSON'],
  ['no text', 'c.jsonl', '{"content":"one"}', 'c.jsonl:1', "a record of a corpus has a string 'text'"],
  ['a table without text', 'c.csv', 'content\none\n', 'c.csv:2', "a record of a corpus has a string 'text'"]
])('refuses %s', async (_, name, text, place, reason) => {
  const file = put(name, text)
  await expect(documents(file)).rejects.toMatchObject({
    place: join(dir, place),
    message: expect.stringContaining(reason)
  })
})
