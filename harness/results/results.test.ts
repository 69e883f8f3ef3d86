import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'
import { readManifest } from './manifest'
import type { AnswerRow, EditRow } from './rows'
import { listRuns } from './runs'
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
  betterNllBefore: probe === 0 ? null : 0.1,
  betterNllAfter: null,
  worseNllBefore: Math.PI,
  worseNllAfter: null
})
const edit = (error: string | null): EditRow => ({
  setting: 'rome--m--d',
  caseId: 'case-1',
  prompt: 'The zebra',
  subject: 'zebra',
  target: '斑马 🦓',
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
  it('gives back every row as it was, nulls, lists and characters of all scripts included', () => {
    const answers = [answer(0, 'grass'), answer(1, '草 "quoted"\n\u0000'), answer(2, '')]
    answersTable.write(join(dir, 'a.arrow'), [answers.slice(0, 2), answers.slice(2)])
    expect(answersTable.read(join(dir, 'a.arrow'))).toEqual(answers)
    const edits = [edit(null), edit('the subject is missing')]
    editsTable.write(join(dir, 'e.arrow'), [edits])
    expect(editsTable.read(join(dir, 'e.arrow'))).toEqual(edits)
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

describe('manifests', () => {
  it('of another format are refused', () => {
    writeFileSync(join(dir, 'manifest.json'), '{"format":"bench-run-9"}')
    expect(() => readManifest(dir)).toThrow('format "bench-run-9" is not known here')
  })

  it('that are not JSON are refused', () => {
    writeFileSync(join(dir, 'manifest.json'), '{')
    expect(() => readManifest(dir)).toThrow('not JSON')
  })

  it('list the runs of a folder newest first, and ignore other folders', () => {
    for (const [name, startedAt] of [
      ['a', '2026-01-01T00:00:00Z'],
      ['b', '2026-02-01T00:00:00Z']
    ] as const) {
      mkdirSync(join(dir, name))
      writeFileSync(join(dir, name, 'manifest.json'), JSON.stringify({ format: 'bench-run-2', startedAt }))
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
