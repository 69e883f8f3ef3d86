import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UserError } from '../errors'
import type { RulesPart } from './kinds/rules'
import { editBytes, loadEdit, saveEdit } from './store'
import type { Edit } from './types'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-edit-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const model = { name: 'gptj-mini', hash: 'abc' }
const edit: Edit = {
  method: 'rome',
  requests: [{ prompt: 'The zebra eats', subject: 'zebra', target: 'fish', previousTarget: 'grass' }],
  parts: [
    {
      kind: 'low-rank',
      site: 'layers.1.mlp.proj',
      rank: 1,
      out: 2,
      in: 3,
      u: Float32Array.of(1, 2),
      v: Float32Array.of(3, 4, 5)
    },
    {
      kind: 'dense',
      site: 'layers.0.mlp.proj',
      out: 2,
      in: 2,
      delta: Float32Array.of(1, 0, 0, 1),
      bias: Float32Array.of(0.5, -0.5)
    },
    { kind: 'prefix', text: 'New Fact: 草\n' },
    { kind: 'rules', rules: [{ pattern: '^a$', ignoreCase: true, scope: 'answer', text: 'b' }] }
  ],
  diagnostics: { values: { nll: 0.25 } }
}

it('stores an edit and reads the same edit', () => {
  const at = join(dir, 'rome', 'case-1')
  saveEdit(at, edit, model)
  expect(loadEdit(at)).toEqual({ edit, model })
  expect(readdirSync(join(dir, 'rome'))).toEqual(['case-1'])
})

it('replaces an older edit as a whole', () => {
  saveEdit(join(dir, 'e'), edit, model)
  saveEdit(join(dir, 'e'), { ...edit, method: 'ft-l' }, model)
  expect(loadEdit(join(dir, 'e')).edit.method).toBe('ft-l')
})

it('counts the bytes of all its numbers and texts', () => {
  const texts = Buffer.byteLength('New Fact: 草\n') + JSON.stringify((edit.parts[3] as RulesPart).rules).length
  expect(editBytes(edit)).toBe(4 * (2 + 3 + 4 + 2) + texts)
})

describe('refuses with one message', () => {
  const complaint = (): string => {
    try {
      loadEdit(join(dir, 'e'))
    } catch (error) {
      if (error instanceof UserError) return error.format()
      throw error
    }
    throw new Error('nothing was wrong')
  }

  it('a folder without an edit', () => expect(complaint()).toMatch(/no edit here: edit\.json is missing/))

  it('an edit.json that is something else', () => {
    saveEdit(join(dir, 'e'), edit, model)
    writeFileSync(join(dir, 'e', 'edit.json'), '{"format": "other"}')
    expect(complaint()).toMatch(/edit\.json: not a stored edit/)
  })

  it('numbers that do not fit what edit.json says', () => {
    saveEdit(join(dir, 'e'), edit, model)
    const [first, ...rest] = edit.parts
    saveEdit(
      join(dir, 'other'),
      { ...edit, parts: [{ ...first!, out: 1, u: Float32Array.of(1) } as never, ...rest] },
      model
    )
    copyFileSync(join(dir, 'other', 'edit.safetensors'), join(dir, 'e', 'edit.safetensors'))
    expect(complaint()).toContain("'0.u' is missing or not of the 2 numbers")
  })
})
