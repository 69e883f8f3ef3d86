import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../harness/errors'
import { findDataset, loadCases } from '.'
import { asJsonLines } from './tables'
import type { EditCase, LoadOptions } from './types'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-tables-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const put = (name: string, content: string | Buffer) => {
  const file = join(dir, name)
  writeFileSync(file, content)
  return file
}
const csv = readFileSync(join(__dirname, 'custom', 'sample', 'custom.csv'), 'utf8')
const COLUMNS = {
  prompt: 'question',
  subject: 'entity',
  target: 'new',
  previous: 'old',
  paraphrases: 'again',
  portability: [{ prompt: 'hop', answer: 'hop_answer', kind: 'one-hop' }],
  locality: [{ prompt: 'other' }]
}
async function load(file: string, options: Partial<LoadOptions> = {}, name = 'custom'): Promise<EditCase[]> {
  const cases: EditCase[] = []
  const all = { onBadRecord: 'fail', seed: 0, options: COLUMNS, ...options } as const
  for await (const c of loadCases(findDataset(name), file, all)) cases.push(c)
  return cases
}
const complaint = (file: string, options: Partial<LoadOptions> = {}) =>
  load(file, options).then(
    () => 'nothing was wrong',
    (error) => {
      if (!(error instanceof UserError)) throw error
      return error.format().replaceAll(`${dir}/`, '')
    }
  )

it('reads a table of one’s own by a mapping of its columns, with the line of each row', async () => {
  const [first, second, ...more] = await load(put('mine.csv', csv))
  expect(more).toEqual([])
  expect(first).toEqual({
    id: 'custom-0',
    place: 'mine.csv:2',
    requests: [
      {
        prompt: 'Who designed Velmora Lighthouse?',
        subject: 'Velmora Lighthouse',
        subjectAt: 13,
        target: 'Oskar Lindqvane',
        previousTarget: 'Ruth Halden'
      }
    ],
    probes: [
      {
        property: 'accuracy',
        kind: 'rewrite',
        prompt: 'Who designed Velmora Lighthouse?',
        expected: ['Oskar Lindqvane']
      },
      {
        ...{ property: 'generality', kind: 'paraphrase', expected: ['Oskar Lindqvane'] },
        prompt: 'Which architect drew up\nVelmora Lighthouse?'
      },
      {
        ...{ property: 'portability', kind: 'one-hop', expected: ['Norland'] },
        prompt: 'From which country is the designer of Velmora Lighthouse?'
      },
      {
        property: 'locality',
        kind: 'unrelated',
        prompt: 'When did the "harbour" tunnel open?',
        expected: 'same-as-before'
      }
    ]
  })
  // After a field over two lines and an empty line.
  expect(second).toMatchObject({
    place: 'mine.csv:5',
    requests: [{ prompt: 'Orlen bridge is located in', subjectAt: 0 }]
  })
  expect(second!.probes.map((p) => p.kind)).toEqual(['rewrite', 'unrelated'])
})

it('reads the same from tabs, JSON Lines with lists, and files of Windows', async () => {
  const same = (cases: EditCase[]) => cases.map(({ place: _, ...c }) => c)
  const lines = csv.replace('up\nVelmora', 'up Velmora').replace('""harbour""', 'harbour')
  const expected = same(await load(put('a.csv', lines)))
  expect(same(await load(put('a.tsv', lines.replace(/,/g, '\t'))))).toEqual(expected)
  expect(same(await load(put('w.csv', `\uFEFF${lines.replace(/\n/g, '\r\n')}`)))).toEqual(expected)
  const [a] = expected
  const json = {
    question: a!.requests[0].prompt,
    entity: 'Velmora Lighthouse',
    new: 'Oskar Lindqvane',
    old: 'Ruth Halden'
  }
  const [b] = await load(put('a.jsonl', JSON.stringify({ ...json, again: ['One Velmora Lighthouse?', ' ', 'Two?'] })))
  expect(b!.probes.filter((p) => p.kind === 'paraphrase').map((p) => p.prompt)).toEqual([
    'One Velmora Lighthouse?',
    'Two?'
  ])
})

it('finds what options name beside the table, not beside what was made of it', async () => {
  const [passage] = readFileSync(join(__dirname, 'hallucination/sample/passages.jsonl'), 'utf8').split('\n')
  const mine = put('rows.csv', 'gpt3_sentences,annotation,wiki_bio_text\n')
  put('wiki_bio_concepts.txt', 'mara dolen\n')
  // CSV cannot hold lists: a reader of JSON stands in for Parquet's.
  const dataset = findDataset('hallucination')
  const seen: (string | undefined)[] = []
  const spied = {
    ...dataset,
    load: (_: string | undefined, o: LoadOptions) => {
      seen.push(o.near)
      return dataset.load(put('passages.jsonl', passage!), { ...o, near: o.near! })
    }
  }
  const cases: EditCase[] = []
  for await (const c of loadCases(spied, mine, { onBadRecord: 'fail', seed: 0 })) cases.push(c)
  expect(seen).toEqual([dir])
  expect(cases).toHaveLength(2)
})

it('says what is wrong with a table, and where', async () => {
  expect(await complaint(put('a.csv', 'question,entity,new\na,b\n'))).toMatch(
    /^a\.csv:2: 2 fields, the header has 3\n.*quotes/
  )
  expect(await complaint(put('a.csv', 'question,entity,question\n'))).toMatch(
    /^a\.csv:1: the header names 'question' twice/
  )
  expect(await complaint(put('a.csv', 'question,,new\n'))).toMatch(/^a\.csv:1: a column of the header has no name/)
  expect(await complaint(put('a.csv', 'q,entity,new\na,b,c\n'))).toMatch(
    /^a\.csv:2: the file holds records with the keys q, entity, new, which is no layout of A table of your own\n.*\(question, entity, new\)/
  )
  expect(await complaint(put('a.csv', csv.replace('Oskar Lindqvane', ' ')))).toMatch(
    /^a\.csv:2: record 1 is malformed: 'new' is empty/
  )
  expect(await complaint(put('a.jsonl', '{"question":"a b","entity":"b","new":"c","again":{"x":1}}'))).toMatch(
    /a\.jsonl:1: record 1 is malformed: 'again' holds \{"x":1\}, expected are texts/
  )
  expect(await complaint(put('a.csv', Buffer.from([0x71, 0xff, 0x0a])))).toMatch(/^a\.csv: not UTF-8\n/)
  expect(await complaint(join(dir, 'absent.csv'))).toMatch(/^absent\.csv: no such data file/)
  expect(await complaint(put('a.csv', csv), { options: { prompt: 'question' } })).toMatch(
    /options of custom: subject: /
  )
})

it('leaves nothing behind', async () => {
  const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('bench-table-'))
  const before = left()
  await load(put('mine.csv', csv))
  await complaint(put('a.csv', 'question,entity,new\na,b\n'))
  expect(left()).toEqual(before)
  const { file, remove } = await asJsonLines(put('mine.csv', csv))
  expect(readFileSync(file, 'utf8').split('\n')[1]).toContain('Velmora')
  remove()
})
