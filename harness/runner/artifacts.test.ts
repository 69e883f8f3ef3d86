import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ike } from '../../methods/ike'
import type { EditingMethod } from '../../methods/types'
import type { OutsideModule } from '../outside'
import { artifactFile, artifactKey, readArtifact, readCheckpoint, writeArtifact, writeCheckpoint } from './artifacts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-artifacts-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const ARTIFACT = { tensors: { a: { shape: [2, 1], data: Float32Array.of(1, 2) } }, json: { texts: ['草', ''] } }

it('gives back what was learnt, with what it took, from whatever cache it lies in', () => {
  writeArtifact(dir, 'k', ARTIFACT, 1500)
  expect(readArtifact(dir, 'k')).toEqual({ ...ARTIFACT, ms: 1500 })
  const other = mkdtempSync(join(tmpdir(), 'bench-artifacts-'))
  writeArtifact(other, 'x', ARTIFACT, 1)
  writeFileSync(artifactFile(other, 'k'), readFileSync(artifactFile(dir, 'k')))
  expect(readArtifact(other, 'k')?.ms).toBe(1500)
  rmSync(other, { recursive: true })
  expect(readArtifact(dir, 'other')).toBeUndefined()
})

it('learns again what is damaged, wherever', () => {
  writeArtifact(dir, 'k', ARTIFACT, 1)
  const file = artifactFile(dir, 'k')
  const whole = readFileSync(file)
  const damaged: string[] = []
  for (let at = 0; at < whole.length; at += 7) {
    const bytes = Buffer.from(whole)
    bytes[at]! ^= 1
    writeFileSync(file, bytes)
    const read = readArtifact(dir, 'k', (name) => damaged.push(name))
    // What it took is no part of what was learnt.
    if (read !== undefined) expect({ ...read, ms: 1 }).toEqual({ ...ARTIFACT, ms: 1 })
  }
  expect(damaged.length).toBeGreaterThan(whole.length / 14)
})

it('keeps a checkpoint until the end', () => {
  writeCheckpoint(dir, 'k', ARTIFACT, 10)
  expect(readCheckpoint(dir, 'k')).toEqual({ ...ARTIFACT, ms: 10 })
  expect(readArtifact(dir, 'k')).toBeUndefined()
  writeArtifact(dir, 'k', ARTIFACT, 20)
  expect(readCheckpoint(dir, 'k')).toBeUndefined()
  expect(readdirSync(join(dir, 'trained'))).toHaveLength(1)
  expect(existsSync(artifactFile(dir, 'k'))).toBe(true)
})

it('is named by all that decides what is learnt, and nothing else', () => {
  const method: EditingMethod = { ...ike, trainedBy: ['rank'] }
  const key = (h: object = {}, model = 'm', data = 'd', seed = 0, of = method, module?: OutsideModule) => {
    const task = { hyperparameters: { rank: 1, lr: 2, ...h }, training: { entries: [], hash: data } }
    return artifactKey(of, module === undefined ? task : { ...task, module }, { hash: model }, seed)
  }
  const outside = (hash: string, file = 'a.mjs') => key({}, 'm', 'd', 0, method, { file, hash })
  const others = [
    key({ rank: 2 }),
    key({}, 'n'),
    key({}, 'm', 'e'),
    key({}, 'm', 'd', 1),
    key({}, 'm', 'd', 0, { ...method, name: 'x' }),
    outside('1'),
    outside('2')
  ]
  expect(new Set([key(), ...others]).size).toBe(8)
  expect(outside('1', 'b.mjs')).toBe(outside('1'))
  expect(key({ lr: 3 })).toBe(key())
})
