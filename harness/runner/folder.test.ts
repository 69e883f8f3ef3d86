import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Manifest } from '../results/manifest'
import type { AnswerRow, EditRow } from '../results/rows'
import { readRows } from '../results/runs'
import { answersTable, editsTable } from '../results/tables'
import { checkResultsDir, RunFolder, writeShard } from './folder'
import type { PlannedShard } from './shards'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-folder-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const manifestOf = (id: string): Manifest =>
  ({
    ...{ format: 'bench-run-3', id, name: 'x', hash: '', status: 'running', startedAt: new Date().toISOString() },
    ...{ seconds: 0, version: '0', settings: [{ id: 's' }], setup: {}, weights: {}, skipped: [], shards: 2 },
    machine: { cpu: '', cores: 1, memoryBytes: 1, platform: '', node: '', backend: '', workers: 1 },
    config: { seed: 0, scoring: { bootstrap: 100, grading: {} } }
  }) as unknown as Manifest

const shards = [0, 1].map((index) => ({
  index,
  start: index,
  protocol: { kind: 'single', oneByOne: false },
  checkpoint: false,
  settings: [{ id: 's' }],
  cases: [{ id: `case-${index}` }]
})) as unknown as PlannedShard[]

const answer = (caseId: string): AnswerRow => ({
  ...{ setting: 's', caseId, probe: 0, property: 'accuracy' as const, kind: 'rewrite', prompt: 'p', expected: 'e' },
  ...{
    before: '',
    after: 'e',
    exactBefore: false,
    exactAfter: true,
    longerAfter: false,
    shareBefore: 0,
    shareAfter: 1
  },
  ...{ scores: {}, anyOf: null, held: 1, checkpoint: false }
})
const edit = (caseId: string, error: string | null = null): EditRow => ({
  ...{
    setting: 's',
    caseId,
    prompt: 'p',
    subject: 's',
    target: 't',
    place: '',
    facts: 1,
    position: 0,
    editMs: 1,
    together: 1,
    flops: 1
  },
  ...{ peakBytes: 1, editBytes: 1, lossCurve: [1], diagnostics: '{}', error }
})
const MODEL = { name: 'm', hash: 'h' }
const rowsOf = ({ index }: PlannedShard, error: string | null = null) => ({
  answers: answersTable.encode([[answer(`case-${index}`)]]).bytes,
  edits: editsTable.encode([[edit(`case-${index}`, error)]]).bytes
})
const damage: string[] = []
const onDamaged = (reason: string) => void damage.push(reason)

const create = () => RunFolder.create(dir, 'run', manifestOf)

it('puts the shards’ rows together in their order, and seals what it leaves', () => {
  const folder = create()
  for (const shard of [...shards].reverse()) writeShard(folder.shardDir(shard), rowsOf(shard), MODEL)
  folder.finish(shards, 1)
  folder.release()
  const at = join(dir, 'run')
  expect(readdirSync(at).sort()).toEqual(['answers.arrow', 'edits.arrow', 'manifest.json'])
  const rows = readRows(at, folder.manifest)
  expect(rows.edits.map((e) => e.caseId)).toEqual(['case-0', 'case-1'])
})

describe('a damaged shard', () => {
  it.each(['answers.arrow', 'edits.arrow', 'seals.json'])(
    'is told by any changed byte of %s, removed, and told of',
    (name) => {
      const folder = create()
      const [shard] = shards
      writeShard(folder.shardDir(shard!), rowsOf(shard!), MODEL)
      const file = join(folder.shardDir(shard!), name)
      const whole = readFileSync(file)
      for (let at = 0; at < whole.length; at += 61) {
        writeShard(folder.shardDir(shard!), rowsOf(shard!), MODEL)
        const flipped = Buffer.from(whole)
        flipped[at]! ^= 4
        writeFileSync(file, flipped)
        expect([at, folder.editsOf(shard!, onDamaged)]).toEqual([at, undefined])
        expect(existsSync(folder.shardDir(shard!))).toBe(false)
      }
      expect(damage.length).toBeGreaterThan(0)
      folder.release()
    }
  )

  it('does not get into the rows of the run', () => {
    const folder = create()
    for (const shard of shards) writeShard(folder.shardDir(shard), rowsOf(shard), MODEL)
    writeFileSync(join(folder.shardDir(shards[1]!), 'answers.arrow'), '')
    expect(() => folder.finish(shards, 1)).toThrow(/has 0 bytes, \d+ were written/)
    folder.release()
  })
})

describe('a run', () => {
  it('has a folder of its own, numbered beside others', () => {
    const [a, b] = [create(), create()]
    expect([a.dir, b.dir]).toEqual([join(dir, 'run'), join(dir, 'run-2')])
    a.remove()
    b.release()
    expect(readdirSync(dir)).toEqual(['run-2'])
  })

  it('is worked on by one process', () => {
    const folder = create()
    expect(() => RunFolder.resume(folder.dir, manifestOf('run'))).toThrow(/another process works on this run/)
    folder.release()
    RunFolder.resume(folder.dir, manifestOf('run')).release()
  })

  it('is free again when its process is gone, or has not been heard of', () => {
    const folder = create()
    folder.release()
    const { pid } = spawnSync(process.execPath, ['-e', '0'])
    writeFileSync(join(folder.dir, 'run.lock'), JSON.stringify({ pid, host: hostname() }))
    RunFolder.resume(folder.dir, manifestOf('run')).release()
    writeFileSync(join(folder.dir, 'run.lock'), 'nonsense')
    RunFolder.resume(folder.dir, manifestOf('run')).release()
    writeFileSync(join(folder.dir, 'run.lock'), JSON.stringify({ pid: 1, host: 'another machine' }))
    expect(() => RunFolder.resume(folder.dir, manifestOf('run'))).toThrow(/process 1 on another machine/)
  })

  it('that is complete can be taken apart again, so that some of it is computed anew', () => {
    const folder = create()
    for (const shard of shards)
      writeShard(folder.shardDir(shard), rowsOf(shard, shard.index === 1 ? 'failed' : null), MODEL)
    folder.finish(shards, 1)
    const whole = readRows(folder.dir, folder.manifest)
    folder.reopen(shards, whole)
    expect(folder.manifest).toMatchObject({ status: 'running' })
    expect(folder.manifest.files).toBeUndefined()
    expect(folder.editsOf(shards[1]!, onDamaged)!.map((e) => e.error)).toEqual(['failed'])
    folder.drop(shards[1]!)
    writeShard(folder.shardDir(shards[1]!), rowsOf(shards[1]!), MODEL)
    folder.finish(shards, 1)
    expect(readRows(folder.dir, folder.manifest).edits.map((e) => e.error)).toEqual([null, null])
    folder.release()
  })

  it('whose batch was asked in parts begins it anew when something in it failed', () => {
    const parts = [
      { ...shards[0]!, batch: [] },
      { ...shards[1]!, previous: 0 }
    ]
    for (const error of ['failed', null]) {
      const folder = create()
      for (const shard of parts)
        writeShard(folder.shardDir(shard), rowsOf(shard, shard.index === 1 ? error : null), MODEL)
      folder.finish(parts, 1)
      folder.reopen(parts, readRows(folder.dir, folder.manifest))
      expect(folder.storedShards(parts)).toEqual(error === null ? parts : [])
      folder.release()
    }
  })

  it('says what became of a batch whose first part is stored', () => {
    const folder = create()
    const [first] = shards as [PlannedShard]
    const rows = (errors: readonly (string | null)[], answers: readonly AnswerRow[]) => ({
      answers: answersTable.encode([answers]).bytes,
      edits: editsTable.encode([errors.map((error, i) => edit(`case-${i}`, error))]).bytes
    })
    const made = (...of: Parameters<typeof rows>) => {
      folder.drop(first)
      writeShard(folder.shardDir(first), rows(...of), MODEL)
      return folder.madeIn({ ...first, batch: [...first.cases, ...first.cases] })
    }
    expect(made(['too long', null], [{ ...answer('case-1'), held: 7 }])).toEqual({ row: edit('case-1'), held: 7 })
    expect(made(['no', 'no'], [])).toEqual({ row: edit('case-0', 'no'), held: 2 })
    folder.release()
  })
})

it('finds at once that a results folder cannot be made or written to', () => {
  checkResultsDir(join(dir, 'a', 'b'))
  expect(readdirSync(join(dir, 'a', 'b'))).toEqual([])
  writeFileSync(join(dir, 'file'), '')
  for (const place of [join(dir, 'file'), join(dir, 'file', 'x'), '/proc/x/y', join(dir, 'n'.repeat(300))])
    expect(() => checkResultsDir(place)).toThrow(/cannot make the results folder/)
  mkdirSync(join(dir, 'there'))
  checkResultsDir(join(dir, 'there'))
})
