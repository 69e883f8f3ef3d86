import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findDataset, loadCases } from '.'
import type { EditCase, Probe, SkippedRecord } from './types'

/** What the records of sets that were made for other models become: the made-up ones of their samples. */

async function load(name: string, file: string, switches: Record<string, unknown> = {}) {
  const skipped: SkippedRecord[] = []
  const cases: EditCase[] = []
  const onSkip = (s: SkippedRecord) => void skipped.push(s)
  const source = file.startsWith('/') ? file : join(__dirname, file)
  for await (const c of loadCases(findDataset(name), source, {
    onBadRecord: 'skip',
    seed: 0,
    options: switches,
    onSkip
  }))
    cases.push(c)
  return { cases, skipped }
}
const kinds = ({ probes }: EditCase) => probes.map(({ property, kind }) => `${property}/${kind}`)
const of = ({ probes }: EditCase, kind: string): Probe[] => probes.filter((p) => p.kind === kind)

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-text-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))
const write = (content: unknown) => {
  const file = join(dir, 'data.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

test('ECBD: what stands before a gap and what fills it, with the perplexity of others', async () => {
  const { cases } = await load('ecbd', 'ecbd/sample/ecbd.jsonl', { specificity: 'specificity.jsonl' })
  const [race, choir, book] = cases as [EditCase, EditCase, EditCase]
  expect(race.requests).toEqual([
    {
      prompt: 'The Velmora Grand Prix was a motor race held in',
      subject: 'Velmora Grand Prix',
      target: 'northern Norland'
    }
  ])
  expect(kinds(race)).toEqual(['accuracy/definition', 'portability/propagation', 'locality/popular-entity'])
  expect(of(race, 'propagation')[0]).toMatchObject({
    prompt: 'The Velmora Grand Prix was won by',
    expected: ['the home team']
  })
  expect(of(race, 'popular-entity')[0]).toMatchObject({ prompt: 'The bridge of Orlen leads to', gold: 'the market' })
  expect(choir.requests[0].subject).toBe('HC')
  expect(of(book, 'propagation')[0]!.choices).toEqual({ texts: ['book', 'boat'], right: 0 })
  await expect(load('ecbd', 'ecbd/sample/ecbd.jsonl', { specificity: 'no.json' })).rejects.toThrow(
    'no such file of sentences'
  )
})

test('ECBD: a gap at the beginning has no left to right answer', async () => {
  const [record] = (await import('node:fs')).readFileSync(join(__dirname, 'ecbd/sample/ecbd.jsonl'), 'utf8').split('\n')
  const first = { ...JSON.parse(record!), definition: '<extra_id_0> is a race.' }
  const { cases, skipped } = await load('ecbd', write([first])).catch((error: Error) => ({
    cases: [],
    skipped: [{ reason: error.message }]
  }))
  expect(cases).toEqual([])
  expect(skipped[0]!.reason).toContain('nothing stands before the gap')
})

test('NQ-SituatedQA: the question in its time is written, the one without is asked too', async () => {
  const { cases } = await load('nq-situatedqa', 'nq/sample/situatedqa.jsonl')
  const [now, before] = cases as [EditCase, EditCase]
  expect(now.id).not.toBe(before.id)
  expect(now.requests[0]).toMatchObject({ prompt: 'who leads the harbour board as of 2021', target: 'Ruth Halden' })
  expect(of(now, 'without-context')[0]).toMatchObject({ prompt: 'who leads the harbour board' })
  // The same question in another year is nothing unrelated.
  expect(of(now, 'unrelated').map((p) => p.prompt)).toEqual(['when was the bridge of orlen last rebuilt as of 1999'])
  const { cases: plain } = await load('nq-situatedqa', 'nq/sample/nq.json')
  expect(of(plain[0]!, 'rewrite')[0]!.expected).toEqual(['Ana Tirel', 'Tirel'])
  expect(of(plain[0]!, 'unrelated')).toHaveLength(2)
})

test.each(['test', 'train'])('Sanitation, %s: one list is forgotten, the other stays', async (file) => {
  const { cases } = await load('sanitation', `sanitation/sample/${file}.json`)
  const [only] = cases as [EditCase]
  expect(only.requests[0].target).toBe("I don't know.")
  expect(of(only, 'kept').length).toBe(file === 'test' ? 3 : 1)
  expect(only.requests[0].subject).toBe(file === 'test' ? only.requests[0].prompt : 'Orlen, Velm and Tarn')
})

test('T-REx: facts beside wrong relations, in ParaRel’s other words', async () => {
  const switches = { relations: 'relations.jsonl', patterns: 'patterns' }
  const [choir, language] = (await load('t-rex', 'trex/sample/facts.csv', switches)).cases as [EditCase, EditCase]
  expect(choir.requests[0]).toEqual({
    prompt: 'Harbour Choir is represented by music label',
    subject: 'Harbour Choir',
    target: 'Grey Records'
  })
  expect(choir.probes.map((p) => [p.property, p.prompt])).toEqual([
    ['accuracy', 'Harbour Choir is represented by music label'],
    ['generality', 'Harbour Choir records for']
  ])
  // A relation whose object comes first says nothing from left to right.
  expect(choir.probes[1]!.sides!.other.map((o) => o.prompt)).toEqual([
    'Harbour Choir was bought by music label',
    'Harbour Choir was sued by'
  ])
  expect(language.requests[0].subject).toBe('Norland')
  const { cases: bare } = await load('t-rex', 'trex/sample/facts.csv')
  expect(bare[0]!.probes[0]!.sides).toBeUndefined()
  await expect(load('t-rex', 'trex/sample/facts.csv', { relations: 'facts.csv' })).rejects.toThrow('no relations')
})

test('FEVER: the other label is written, in words', async () => {
  const { cases, skipped } = await load('fever', 'classes/sample/fever.jsonl')
  expect(cases.map((c) => c.requests[0].target)).toEqual(['false', 'true'])
  expect(cases[0]!.requests[0]).toMatchObject({
    prompt: 'Claim: Velmora hosted a race in 2019. True or false? Answer:',
    subject: 'Velmora hosted a race in 2019.',
    subjectAt: 7
  })
  expect(cases[1]!.probes.filter((p) => p.property === 'generality')).toHaveLength(2)
  expect(of(cases[0]!, 'rewrite')[0]!.choices).toEqual({ texts: ['false', 'true'], right: 0 })
  expect(of(cases[0]!, 'other-claim')[0]).toMatchObject({
    expected: 'same-as-before',
    choices: { texts: ['false', 'true'] }
  })
  expect(skipped.map((s) => s.kind)).toEqual(['no edit'])
  await expect(load('fever', 'classes/sample/fever.jsonl', { question: 'no gap' })).rejects.toThrow(
    /must hold '{}' once/
  )
})

test('VitaminC: the evidence is written, the claim is asked; made-up and short ones are left out', async () => {
  const { cases, skipped } = await load('vitaminc', 'classes/sample/vitaminc.jsonl')
  expect(cases.map((c) => kinds(c)[1])).toEqual(['generality/claim', 'generality/claim', 'locality/not-enough-info'])
  expect(cases[0]!.requests[0]).toMatchObject({ target: 'true', subject: expect.stringContaining('231 metres') })
  expect(of(cases[1]!, 'claim')[0]!.expected).toEqual(['false'])
  expect(skipped).toHaveLength(2)
  for (const c of cases)
    for (const p of of(c, 'other-claim')) expect(p.prompt).not.toContain('longer than 200 metres.\n')
})

test('SCOTUS: the classes of the file, or their names', async () => {
  const { cases } = await load('scotus', 'classes/sample/scotus.jsonl', { words: 4 })
  expect(cases[0]!.requests[0]).toMatchObject({ prompt: 'The petitioner contends that Issue area:', target: '2' })
  const labels = ['Crime', 'Unions', 'Taxes']
  const { cases: named } = await load('scotus', 'classes/sample/scotus.jsonl', { labels })
  expect(of(named[0]!, 'rewrite')[0]).toMatchObject({ expected: ['Taxes'], choices: { texts: labels, right: 2 } })
  await expect(load('scotus', 'classes/sample/scotus.jsonl', { labels: ['One'] })).resolves.toMatchObject({
    cases: { length: 1 }
  })
})

test('Bias in Bios: occupations to choose from are those of the file', async () => {
  const { cases } = await load('bias-in-bios', 'classes/sample/bias-in-bios.jsonl')
  expect(of(cases[1]!, 'occupation')[0]).toMatchObject({
    expected: ['interior designer'],
    choices: { texts: ['chemist', 'interior designer', 'nurse'], right: 1 }
  })
  expect(of(cases[0]!, 'in-context')[0]!.prompt).toMatch(/for nine years\. Mara has the occupation of$/)
})

test('RippleEdits: names of the ids, answers with their other names, and what a test rests on', async () => {
  const [only] = (await load('rippleedits', 'rippleedits/sample/popular.json')).cases as [EditCase]
  expect(only.requests[0]).toMatchObject({
    prompt: 'The place of birth of Ilse Marrow is',
    subject: 'Ilse Marrow',
    target: 'Lima',
    previousTarget: 'Oslo'
  })
  expect(kinds(only)).toEqual([
    'accuracy/rewrite',
    'portability/logical-generalization',
    'portability/logical-generalization',
    'portability/two-hop',
    'generality/subject-alias',
    'locality/relation-specificity',
    'locality/other-objects',
    'locality/other-objects'
  ])
  // Each person must be named; a single letter names nobody.
  expect(of(only, 'logical-generalization').map((p) => p.expected)).toEqual([['Ilse Marrow'], ['Ana Tirel']])
  expect(of(only, 'two-hop')[0]!.needs).toEqual({
    prompt: 'The country of Lima is',
    expected: ['Peru', 'Republic of Peru']
  })
  expect(of(only, 'other-objects').map((p) => p.anyOf)).toEqual(['other-objects 0', 'other-objects 0'])
  await expect(load('rippleedits', 'rippleedits/sample/popular.json', { labels: 'no.json' })).rejects.toThrow(
    'no such file of labels'
  )
})

test('WikiGen: one object of columns, whose target the tokenizer cuts', async () => {
  const { cases } = await load('wikigen', 'wikigen/sample/train.jsonl')
  expect(cases).toHaveLength(2)
  const [{ lastTokens, requests, probes }] = cases as [EditCase]
  expect(lastTokens).toBe(10)
  expect(`${requests[0].prompt} ${requests[0].target}`).toMatch(/^The Orlen bridge spans .* the harbour$/)
  expect(requests[0].prompt.endsWith(probes[1]!.prompt)).toBe(true)
})

test('MMEdit: read, with its images, and asked of nobody', async () => {
  const { cases } = await load('mmedit', 'mmedit/sample/vqa.json')
  expect(cases[0]!.probes.map((p) => p.image)).toEqual([
    'val2014/000001.jpg',
    'val2014/000001.jpg',
    'val2014_image_rephrase/000001.png',
    undefined,
    'val2014/000777.jpg'
  ])
})

test('ConflictEdit: two edits in order, in all words there are; RoundEdit: there and back', async () => {
  const [reverse, composite] = (await load('conflictedit', 'conflictedit/sample/conflictedit.json')).cases as [
    EditCase,
    EditCase
  ]
  expect(reverse.inOrder).toBe(true)
  expect(reverse.requests.map((r) => [r.prompt, r.target])).toEqual([
    ['The notable work of Ilse Marrow is', 'Red Harbour'],
    ['The author of Red Harbour is', 'Ana Tirel']
  ])
  expect(kinds(reverse)).toEqual(['accuracy/later-edit'])
  expect(of(composite, 'tied-fact')[0]).toMatchObject({ prompt: 'Ilse Marrow was born in', gold: 'Velmora' })
  const [round] = (await load('roundedit', 'conflictedit/sample/roundedit.json', { prompts: 'prompts.json' }))
    .cases as [EditCase]
  expect(round.requests.map((r) => r.target)).toEqual(['pilot', 'nurse'])
  expect(of(round, 'other-answers')[0]!.answers!.map((ways) => [ways.length, ways[0]!.text])).toEqual([
    [3, 'nurse'],
    [3, 'painter'],
    [3, 'singer']
  ])
  await expect(load('roundedit', 'conflictedit/sample/roundedit.json', { prompts: 'roundedit.json' })).rejects.toThrow(
    'not a file of prompts'
  )
})

test('known facts are what is true already', async () => {
  const { cases } = await load('known', 'known/sample/known.json')
  expect(cases[0]!.requests[0]).toMatchObject({ subject: 'Mount Velm', target: 'Norland' })
})

describe('an object of lists', () => {
  const one = { question: 'who?', answers: ['Bo'] }
  test('may have other keys, and says where it breaks', async () => {
    const { cases } = await load(
      'nq-situatedqa',
      write({ data: [{ id: 1, ...one }], version: 1, other: [{ id: 2, ...one }] })
    )
    expect(cases.map((c) => c.id)).toEqual(['nq-1'])
    const broken = write(`{"data": [\n${JSON.stringify({ id: 1, ...one })}] "x"`)
    await expect(load('nq-situatedqa', broken)).rejects.toThrow(
      "a comma or the end of the object is expected after 'data'"
    )
    await expect(load('nq-situatedqa', write('{"data": [] } x'))).rejects.toThrow('something follows the end')
  })
})
