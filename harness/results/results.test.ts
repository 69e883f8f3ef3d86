import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC, tableToIPC } from 'apache-arrow'
import { UserError } from '../errors'
import { readManifest } from './manifest'
import type { AnswerRow, EditRow } from './rows'
import { listRuns, readRows } from './runs'
import { answersTable, editsTable } from './tables'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-results-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const answer = (probe: number, text: string): AnswerRow => ({
  setting: 'rome--m--d',
  caseId: 'case-1',
  probe,
  property: 'accuracy',
  kind: 'rewrite',
  prompt: `What is ${text}?`,
  expected: text,
  before: '',
  after: text,
  exactBefore: false,
  exactAfter: true,
  longerAfter: probe === 1,
  shareBefore: 1 / 3,
  shareAfter: 1,
  scores: probe === 0 ? {} : { 'better_nll.before': Math.PI, 'better_nll.after': Number.POSITIVE_INFINITY },
  anyOf: probe === 0 ? null : 'hops',
  held: 300,
  checkpoint: probe === 1,
  freeBefore: probe === 0 ? null : '',
  freeAfter: probe === 0 ? null : text
})
const edit = (error: string | null): EditRow => ({
  setting: 'rome--m--d',
  caseId: 'case-1',
  prompt: 'The zebra',
  subject: 'zebra',
  target: '斑马 🦓',
  place: 'a.json:12',
  facts: 10,
  position: 3,
  editMs: error === null ? 12.5 : null,
  together: error === null ? 3 : null,
  flops: null,
  peakBytes: 5e9,
  editBytes: 3840,
  lossCurve: error === null ? [3, 2, 0.1] : [],
  diagnostics: '{"nll":0.1}',
  error
})

describe('a table on disk', () => {
  it('is read also when it was written before columns came that need not be there', () => {
    const { bytes } = answersTable.encode([[answer(0, 'a'), answer(1, 'b')]])
    const whole = tableFromIPC(bytes)
    const older = whole.select(whole.schema.fields.map((f) => f.name).filter((name) => !name.startsWith('free')))
    const rows = answersTable.decode(tableToIPC(older, 'file'), '')
    expect(rows.map((r) => [r.expected, r.freeBefore, r.freeAfter])).toEqual([
      ['a', null, null],
      ['b', null, null]
    ])
    const { freeAfter: _, freeBefore: __, ...absent } = answer(1, 'c')
    const [row] = answersTable.decode(answersTable.encode([[absent]]).bytes, '')
    expect([row!.freeBefore, row!.freeAfter]).toEqual([null, null])
  })

  it('gives back every row as it was, nulls, lists and characters of all scripts included', () => {
    const answers = [answer(0, 'grass'), answer(1, '草 "quoted"\n\u0000'), answer(2, '')]
    answersTable.write(join(dir, 'a.arrow'), [answers.slice(0, 2), answers.slice(2)])
    expect(answersTable.read(join(dir, 'a.arrow'))).toEqual(answers)
    const edits = [edit(null), edit('the subject is missing')]
    editsTable.write(join(dir, 'e.arrow'), [edits])
    expect(editsTable.read(join(dir, 'e.arrow'))).toEqual(edits)
  })

  it('gives single columns, row by row in any order', () => {
    const rows = Array.from({ length: 5000 }, (_, i) => ({ ...answer(i % 3, `${i * 7919}`), caseId: `case ${i % 9}` }))
    const seal = answersTable.write(join(dir, 'a.arrow'), [
      rows.slice(0, 10),
      [],
      rows.slice(10, 4000),
      rows.slice(4000)
    ])
    const names = ['caseId', 'after', 'anyOf', 'longerAfter', 'shareBefore'] as const
    const columns = answersTable.readColumns(dir, 'a.arrow', { 'a.arrow': seal }, names)
    expect(columns.length).toBe(5000)
    for (let i = 0, row = 0; i < 5000; i++, row = (row + 1777) % 5000)
      for (const name of names) expect(columns[name].get(row)).toBe(rows[row]![name])
  })

  it('can be empty', () => {
    answersTable.write(join(dir, 'a.arrow'), [[]])
    expect(answersTable.read(join(dir, 'a.arrow'))).toEqual([])
  })

  it('is the same bytes for the same rows, and leaves no temporary file', () => {
    for (const name of ['a', 'b']) answersTable.write(join(dir, name), [[answer(0, 'x')], [answer(1, 'y')]])
    expect(readFileSync(join(dir, 'a')).equals(readFileSync(join(dir, 'b')))).toBe(true)
    expect(readdirSync(dir)).toEqual(['a', 'b'])
  })

  it('that is damaged is refused by name', () => {
    writeFileSync(join(dir, 'a.arrow'), 'nonsense')
    expect(() => answersTable.read(join(dir, 'a.arrow'))).toThrow(UserError)
    expect(() => answersTable.read(join(dir, 'missing.arrow'))).toThrow(/not a readable Arrow table/)
  })
})

/** A manifest with nothing in it but what must be there. */
const manifest = (startedAt = '2026-01-01T00:00:00.000Z') => ({
  ...{ format: 'bench-run-3', id: 'x', name: 'x', hash: '', status: 'complete', startedAt, seconds: 0, version: '0' },
  machine: { cpu: '', cores: 1, memoryBytes: 1, platform: '', node: '', backend: '', workers: 1 },
  config: { seed: 0, scoring: { bootstrap: 100, grading: {} } },
  ...{ settings: [], setup: {}, weights: {}, skipped: [], shards: 0 }
})

it('refuses a run whose rows are of a setting its manifest does not have', () => {
  const files = {
    'answers.arrow': answersTable.write(join(dir, 'answers.arrow'), [[answer(0, 'grass')]]),
    'edits.arrow': editsTable.write(join(dir, 'edits.arrow'), [[edit(null)]])
  }
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify({ ...manifest(), files }))
  expect(() => readRows(dir, readManifest(dir))).toThrow(
    'rows of the setting "rome--m--d", which manifest.json does not have'
  )
})

describe('a sealed table', () => {
  const seal = () => ({ 'a.arrow': answersTable.write(join(dir, 'a.arrow'), [[answer(0, 'grass'), answer(1, '草')]]) })

  it('is read when it is what was written', () => {
    expect(answersTable.readSealed(dir, 'a.arrow', seal())).toHaveLength(2)
  })

  it('is refused when it is cut, longer, flipped anywhere, missing, or not sealed', () => {
    const seals = seal()
    const whole = readFileSync(join(dir, 'a.arrow'))
    const damaged = (bytes: Buffer) => {
      writeFileSync(join(dir, 'a.arrow'), bytes)
      expect(() => answersTable.readSealed(dir, 'a.arrow', seals)).toThrow(UserError)
    }
    for (let at = 0; at < whole.length; at += 37) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 1 << (at % 8)
      damaged(flipped)
      damaged(whole.subarray(0, at))
    }
    damaged(Buffer.concat([whole, Buffer.of(0)]))
    rmSync(join(dir, 'a.arrow'))
    expect(() => answersTable.readSealed(dir, 'a.arrow', seals)).toThrow(/cannot be read/)
    expect(() => answersTable.readSealed(dir, 'a.arrow', {})).toThrow(/no checksum is stored/)
  })

  it('has as many rows as were written', () => {
    const seals = seal()
    expect(() => answersTable.readSealed(dir, 'a.arrow', { 'a.arrow': { ...seals['a.arrow'], rows: 3 } })).toThrow(
      /has 2 rows, 3 were written/
    )
  })
})

describe('a table nobody sealed', () => {
  it('with other columns is refused', () => {
    editsTable.write(join(dir, 'e.arrow'), [[edit(null)]])
    expect(() => answersTable.read(join(dir, 'e.arrow'))).toThrow(/it has other columns/)
  })

  it('with bits changed is rows or one message, in no time', () => {
    editsTable.write(join(dir, 'e.arrow'), [[edit(null), edit('x')]])
    const whole = readFileSync(join(dir, 'e.arrow'))
    const start = performance.now()
    for (let at = 0; at < whole.length; at += 13) {
      const flipped = Buffer.from(whole)
      flipped[at]! ^= 0x80 >> (at % 8)
      writeFileSync(join(dir, 'e.arrow'), flipped)
      try {
        expect(editsTable.read(join(dir, 'e.arrow')).length).toBeLessThan(whole.length)
      } catch (error) {
        if (!(error instanceof UserError)) throw error
      }
    }
    expect(performance.now() - start).toBeLessThan(20_000)
  })
})

describe('manifests', () => {
  it('of another format are refused', () => {
    writeFileSync(join(dir, 'manifest.json'), '{"format":"bench-run-9"}')
    expect(() => readManifest(dir)).toThrow('format "bench-run-9" is not known here')
  })

  it('call a run what its folder is called, whatever they say', () => {
    mkdirSync(join(dir, 'mine'))
    writeFileSync(join(dir, 'mine', 'manifest.json'), JSON.stringify({ ...manifest(), id: '../../elsewhere' }))
    expect(readManifest(join(dir, 'mine')).id).toBe('mine')
  })

  it.each<[string, object]>([
    ['no list of settings', { settings: 7 }],
    ['an absurd number of resamples', { config: { seed: 0, scoring: { bootstrap: 1e12, grading: {} } } }],
    ['a time that is none', { startedAt: 'yesterday' }],
    ['no machine', { machine: null }]
  ])('with %s are refused', (_, change) => {
    writeFileSync(join(dir, 'manifest.json'), JSON.stringify({ ...manifest(), ...change }))
    expect(() => readManifest(dir)).toThrow(/not the manifest of a run: '/)
  })

  it('that are not JSON are refused', () => {
    writeFileSync(join(dir, 'manifest.json'), '{')
    expect(() => readManifest(dir)).toThrow('not JSON')
  })

  it('list the runs of a folder newest first, and ignore other folders', () => {
    for (const [name, startedAt] of [
      ['a', '2026-01-01T00:00:00.000Z'],
      ['b', '2026-02-01T00:00:00.000Z']
    ] as const) {
      mkdirSync(join(dir, name))
      writeFileSync(join(dir, name, 'manifest.json'), JSON.stringify(manifest(startedAt)))
    }
    mkdirSync(join(dir, 'report'))
    mkdirSync(join(dir, 'older'))
    writeFileSync(join(dir, 'older', 'manifest.json'), '{"format":"bench-run-1"}')
    const problems: string[] = []
    expect(listRuns(dir, (p) => problems.push(p.format())).map((r) => r.dir)).toEqual([join(dir, 'b'), join(dir, 'a')])
    expect(problems).toEqual([expect.stringMatching(/older\/manifest\.json: format "bench-run-1" is not known here/)])
    expect(listRuns(join(dir, 'nowhere'))).toEqual([])
  })
})
