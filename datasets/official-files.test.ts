import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findDataset } from '.'
import type { EditCase, LoadOptions, Probe } from './types'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-data-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

type Record_ = { [key: string]: unknown }
const sample = (file: string) => JSON.parse(readFileSync(join(__dirname, file), 'utf8')) as Record_[]
const nested = sample('counterfact/sample/nested.json')
const flat = sample('counterfact/sample/flat.json')
const zsre = sample('zsre/sample/zsre.json')

async function load(name: string, content: unknown, options: Partial<LoadOptions> = {}): Promise<EditCase[]> {
  const file = join(dir, 'data.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 1))
  const cases: EditCase[] = []
  for await (const c of findDataset(name).load(file, { onBadRecord: 'fail', seed: 0, ...options })) cases.push(c)
  return cases
}

const kinds = (probes: readonly Probe[]) => {
  const counts: Record<string, number> = {}
  for (const { property, kind } of probes) counts[`${property}/${kind}`] = (counts[`${property}/${kind}`] ?? 0) + 1
  return counts
}

describe('CounterFact', () => {
  it('becomes rewrite, paraphrase, alias, one-hop and neighbourhood probes from the nested layout', async () => {
    const [c] = await load('counterfact', [{ ...nested[0], portability: { 'New Question': 'Q', 'New Answer': 'A' } }])
    expect(c!.request).toEqual({
      prompt: 'Jonas Fikrim gives speeches in',
      subject: 'Jonas Fikrim',
      target: 'Fuish',
      previousTarget: 'Saese'
    })
    expect(kinds(c!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 2,
      'portability/one-hop': 1,
      'portability/subject-alias': 1,
      'locality/neighbourhood': 10
    })
    const neighbour = c!.probes.find((p) => p.kind === 'neighbourhood')!
    expect(neighbour.expected).toBe('same-as-before')
    // For a neighbour the old object must stay likelier than the new one.
    expect(neighbour.compare).toEqual({ better: 'Saese', worse: 'Fuish' })
    expect(c!.probes[0]!.compare).toEqual({ better: 'Fuish', worse: 'Saese' })
  })

  it('reads distracting neighbours and other attributions as locality', async () => {
    const [c] = await load('counterfact', [
      {
        ...nested[0],
        distracting_neighborhood_prompts: ['Jonas Fikrim speaks Fuish. Vera Gagrak speaks'],
        unrelated_relation: { question: 'Jonas Fikrim was born in', object: 'Bruton' }
      }
    ])
    expect(kinds(c!.probes)).toMatchObject({ 'locality/distractor': 1, 'locality/other-attribution': 1 })
  })

  it('reads the flat layout of EasyEdit as well', async () => {
    const [c] = await load('counterfact', flat)
    expect(kinds(c!.probes)).toEqual({ 'accuracy/rewrite': 1, 'generality/paraphrase': 1, 'locality/neighbourhood': 1 })
  })

  it('drops questions that are no portability by the book when asked to', async () => {
    const record = { ...nested[0], portability: { 'New Question': 'Q', 'New Answer': 'fuish' } }
    const [c] = await load('counterfact', [record], { options: { strict_book_portability: true } })
    expect(c!.probes.filter((p) => p.property === 'portability')).toEqual([])
  })

  it('leaves out empty prompts and trailing spaces, and puts subjects with $ in as they are', async () => {
    const rewrite = { ...(nested[0]!.requested_rewrite as Record_), subject: 'A$AP $& Rocky' }
    const [c] = await load('counterfact', [
      { ...nested[0], requested_rewrite: rewrite, paraphrase_prompts: ['', 'He speaks '], neighborhood_prompts: [] }
    ])
    expect(c!.request.prompt).toBe('A$AP $& Rocky gives speeches in')
    expect(c!.probes.filter((p) => p.property === 'generality').map((p) => p.prompt)).toEqual(['He speaks'])
  })
})

describe('zsRE', () => {
  it('becomes rewrite, paraphrase, alias, inverse, one-hop and unrelated probes', async () => {
    const [c] = await load('zsre', [{ ...zsre[0], 'inverse question': 'Who is a pilot?' }])
    expect(c!.request).toMatchObject({ prompt: zsre[0]!.src, target: zsre[0]!.alt, previousTarget: 'soldier' })
    expect(kinds(c!.probes)).toEqual({
      'accuracy/rewrite': 1,
      'generality/paraphrase': 1,
      'portability/subject-alias': 1,
      'portability/inverse': 1,
      'portability/one-hop': 1,
      'locality/unrelated': 1
    })
    expect(c!.probes.find((p) => p.kind === 'inverse')!.expected).toEqual([zsre[0]!.subject])
  })

  it('writes the true answer instead where ROME’s protocol is wanted', async () => {
    const [c] = await load('zsre', zsre, { options: { target: 'answer' } })
    expect(c!.request.target).toBe('soldier')
  })
})

describe('a malformed record', () => {
  const bad = [nested[0], { ...nested[1], requested_rewrite: { prompt: 'no place' } }, nested[2]]

  it('ends the run with file, line, record and key when records must be whole', async () => {
    const text = JSON.stringify(bad, null, 1)
    const line = text.slice(0, text.indexOf('"no place"')).split('\n').length - 5
    const error = await load('counterfact', bad).catch((e: Error & { place?: string }) => e)
    expect((error as Error).message).toMatch(/^record 2 is malformed: 'requested_rewrite/)
    const place = Number(/:(\d+)$/.exec((error as { place: string }).place)![1])
    expect(Math.abs(place - line)).toBeLessThan(200)
    expect(text.split('\n')[place - 1]!.trim()).toBe('{')
  })

  it('is left out, counted and named when it may be skipped', async () => {
    const skipped: unknown[] = []
    const cases = await load('counterfact', bad, { onBadRecord: 'skip', onSkip: (s) => skipped.push(s) })
    expect(cases).toHaveLength(2)
    expect(skipped).toEqual([
      expect.objectContaining({ record: 2, reason: expect.stringContaining('requested_rewrite') })
    ])
  })

  it('does not count towards the limit', async () => {
    expect(await load('counterfact', bad, { onBadRecord: 'skip', limit: 2 })).toHaveLength(2)
  })

  it('in JSON Lines is named by its line', async () => {
    const lines = `${JSON.stringify(zsre[0])}\n\n{"subject": \n${JSON.stringify(zsre[1])}\n`
    const skipped: { line?: number }[] = []
    const cases = await load('zsre', lines, { onBadRecord: 'skip', onSkip: (s) => skipped.push(s) })
    expect(cases).toHaveLength(2)
    expect(skipped.map((s) => s.line)).toEqual([3])
  })

  it('whose subject is not in its question says so', async () => {
    await expect(load('zsre', [{ ...zsre[0], subject: 'Nobody' }])).rejects.toThrow(
      "the subject 'Nobody' is not in the question"
    )
  })
})

describe('a file that is no dataset', () => {
  test.each([
    ['that is empty', ' \n', 'the file is empty'],
    ['that is no JSON', 'subject,src\n', 'not JSON'],
    ['that is cut off', '[{"subject": "A"', 'not JSON']
  ])('%s', async (_, content, message) => {
    await expect(load('zsre', content)).rejects.toThrow(message)
  })

  test('that is not there', async () => {
    const cases = findDataset('zsre').load(join(dir, 'no.json'), { onBadRecord: 'fail', seed: 0 })
    await expect(cases[Symbol.asyncIterator]().next()).rejects.toThrow('no such data file')
  })

  test('options that do not exist are refused', async () => {
    await expect(load('zsre', zsre, { options: { tarjet: 'alt' } })).rejects.toThrow(/tarjet/)
  })
})

/** Samples of the real files, where a checkout lies beside them; the project does not need them. */
const shared = join(__dirname, '..', '..', 'shared', 'data')
const real = (
  [
    ['counterfact', 'counterfact-rome'],
    ['counterfact', 'counterfact'],
    ['zsre', 'zsre']
  ] as const
).flatMap(([dataset, folder]) =>
  existsSync(join(shared, folder))
    ? readdirSync(join(shared, folder))
        .filter((f) => f.endsWith('.json'))
        .map((f) => [dataset, join(shared, folder, f)] as const)
    : []
)
if (real.length > 0) {
  test.each(real)('real files of %s load, nearly every record: %s', async (name, file) => {
    const skipped: unknown[] = []
    const cases: EditCase[] = []
    const options = { onBadRecord: 'skip', seed: 0, onSkip: (s: unknown) => void skipped.push(s) } as const
    for await (const c of findDataset(name).load(file, options)) cases.push(c)
    expect(cases.length).toBeGreaterThan(100)
    expect(skipped.length).toBeLessThan(0.06 * cases.length)
    for (const { request } of cases) expect(request.prompt).toContain(request.subject)
  })
}
