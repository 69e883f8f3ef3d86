import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attack } from './attack'
import { TARGETS } from './targets'

let box: string
beforeEach(() => {
  box = mkdtempSync(join(tmpdir(), 'bench-fuzz-'))
})
afterEach(() => rmSync(box, { recursive: true, force: true }))

// The same inputs every time; `npm run fuzz` goes on from there.
test.each(TARGETS)(
  'damaged $name: 100 inputs are read or refused by one message',
  async (target) => {
    const found: unknown[] = []
    let inputs = 0
    for await (const finding of attack(target, { box, seed: 0 }, () => inputs++)) {
      if (finding !== undefined) found.push(finding)
      if (inputs === 100) break
    }
    expect(found).toEqual([])
  },
  120_000
)

test('an input that crashes, writes elsewhere or speaks at length is found', async () => {
  const [sound] = TARGETS
  const what = async (open: (dir: string) => Promise<void>) => {
    for await (const finding of attack({ ...sound!, open }, { box, seed: 0 })) return finding?.what
    return undefined
  }
  const { writeFileSync } = await import('node:fs')
  const { UserError } = await import('../harness/errors')
  expect(await what(async () => {})).toBeUndefined()
  expect(await what(async () => Promise.reject(new UserError('refused')))).toBeUndefined()
  expect(await what(async () => Promise.reject(new TypeError('oops')))).toMatch(/TypeError: oops/)
  expect(await what(async (dir) => writeFileSync(join(dir, '..', 'escaped'), ''))).toMatch(/wrote outside/)
})
