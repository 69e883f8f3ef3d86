import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../errors'
import { allFinite } from '../finite'
import { readJsonObject } from '../json-file'
import { readSafetensorsHeader, readTensor, type TensorToWrite, writeSafetensors } from '../model'
import { replaceWhole } from '../replace'
import { type EditPart, kindOf } from './kinds'
import type { StoredArrays } from './kinds/kind'
import type { CarriedArray, Edit } from './types'

/** Of a stored edit; another one is refused. */
const EDIT_FORMAT = 'model-edit-1'

const storedEdit = z.object({
  format: z.literal(EDIT_FORMAT),
  method: z.string(),
  model: z.object({ name: z.string(), hash: z.string() }),
  requests: z.array(
    z.object({
      prompt: z.string(),
      subject: z.string(),
      target: z.string(),
      previousTarget: z.string().optional()
    })
  ),
  parts: z.array(z.looseObject({ kind: z.string() })),
  /** Names of what is carried, and their shapes. */
  carry: z.record(z.string(), z.array(z.number().int().min(0))).optional(),
  values: z.record(z.string(), z.number()).optional()
})

/** The model an edit was made for: by its hash, so that it is never applied to another. */
export interface EditedModel {
  readonly name: string
  readonly hash: string
}

/** Bytes of what must be kept of an edit to ask it: its numbers in float32, and its texts. */
export function editBytes(edit: Edit): number {
  return edit.parts.reduce((sum, part) => {
    const kind = kindOf(part)
    const numbers = Object.values(kind.arrays(part)).reduce((n, { data }) => n + 4 * data.length, 0)
    return sum + numbers + (kind.textBytes?.(part) ?? 0)
  }, 0)
}

/** Writes a folder with edit.json and edit.safetensors, all of it or nothing. */
export function saveEdit(dir: string, edit: Edit, model: EditedModel): void {
  const tensors = new Map<string, TensorToWrite>(
    edit.parts.flatMap((part, i) =>
      Object.entries(kindOf(part).arrays(part)).map(([name, array]) => [`${i}.${name}`, array] as const)
    )
  )
  const carry = Object.entries(edit.carry ?? {})
  for (const [name, array] of carry) tensors.set(`carry.${name}`, array)
  const json: z.input<typeof storedEdit> = {
    format: EDIT_FORMAT,
    method: edit.method,
    model: { name: model.name, hash: model.hash },
    requests: [...edit.requests],
    parts: edit.parts.map((part) => ({ kind: part.kind, ...kindOf(part).headerOf(part) })),
    ...(edit.carry === undefined
      ? {}
      : { carry: Object.fromEntries(carry.map(([name, { shape }]) => [name, [...shape]])) }),
    ...(edit.diagnostics.values === undefined ? {} : { values: { ...edit.diagnostics.values } })
  }
  replaceWhole(dir, (fresh) => {
    mkdirSync(fresh)
    writeSafetensors(join(fresh, 'edit.safetensors'), tensors)
    writeFileSync(join(fresh, 'edit.json'), `${JSON.stringify(json, null, 2)}\n`)
  })
}

/** @throws UserError when the folder holds no edit, or a damaged one. */
export function loadEdit(dir: string): { edit: Edit; model: EditedModel } {
  const file = join(dir, 'edit.json')
  if (!existsSync(file)) {
    throw new UserError('no edit here: edit.json is missing', {
      place: dir,
      hint: "name the folder of a stored edit, such as RUN/edits/SETTING/CASE (see 'store_edits' in the config)"
    })
  }
  const notStored = (error: z.ZodError) =>
    new UserError(`not a stored edit: ${z.prettifyError(error)}`, { place: file })
  const parsed = storedEdit.safeParse(readJsonObject(file))
  if (!parsed.success) throw notStored(parsed.error)
  const { method, requests, model, carry, values } = parsed.data
  const { tensors } = readSafetensorsHeader(join(dir, 'edit.safetensors'))
  const arraysOf = (of: number | 'carry'): StoredArrays => ({
    has: (name) => tensors.has(`${of}.${name}`),
    read(array, length) {
      const name = `${of}.${array}`
      const entry = tensors.get(name)
      const data = entry && readTensor(name, entry)
      if (data?.length !== length)
        throw new UserError(`'${name}' is missing or not of the ${length} numbers edit.json says`, { place: dir })
      if (allFinite(data)) return data
      throw new UserError(`'${name}' holds values that are not finite (NaN or infinite)`, { place: dir })
    }
  })
  const parts = parsed.data.parts.map((header, i): EditPart => {
    const kind = kindIn(file, header)
    const checked = kind.header.safeParse(header)
    if (!checked.success) throw notStored(within(checked.error, ['parts', i]))
    return kind.revive(checked.data, arraysOf(i))
  })
  const diagnostics = values === undefined ? {} : { values }
  const withoutUndefined = requests.map(({ previousTarget, ...rest }) =>
    previousTarget === undefined ? rest : { ...rest, previousTarget }
  )
  const carried = Object.entries(carry ?? {}).map(([name, shape]): [string, CarriedArray] => {
    const length = shape.reduce((a, b) => a * b, 1)
    return [name, { shape, data: arraysOf('carry').read(name, length) }]
  })
  const more = carry === undefined ? {} : { carry: Object.fromEntries(carried) }
  return { edit: { method, requests: withoutUndefined, parts, ...more, diagnostics }, model }
}

/** The same error, seen from outside of what it is about. */
const within = ({ issues }: z.ZodError, path: PropertyKey[]): z.ZodError =>
  new z.ZodError(issues.map((issue) => ({ ...issue, path: [...path, ...issue.path] })))

function kindIn(file: string, part: { readonly kind: string }) {
  try {
    return kindOf(part)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(error.message, { place: file, ...(error.hint === undefined ? {} : { hint: error.hint }) })
  }
}
