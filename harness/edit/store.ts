import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { UserError } from '../errors'
import { readJsonObject } from '../json-file'
import { readSafetensorsHeader, readTensor, type TensorToWrite, writeSafetensors } from '../model/checkpoint'
import { allFinite } from '../model/sites'
import { replaceWhole } from '../replace'
import type { Edit, EditPart } from './types'

const size = z
  .int()
  .min(1)
  .max(2 ** 27)
const storedPart = z.object({ kind: z.enum(['low-rank', 'dense']), site: z.string(), out: size, in: size })
const storedEdit = z.object({
  format: z.literal('model-edit-1'),
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
  parts: z.array(storedPart.extend({ rank: size.optional() })),
  values: z.record(z.string(), z.number()).optional()
})

/** The model an edit was made for: by its hash, so that it is never applied to another. */
export interface EditedModel {
  readonly name: string
  readonly hash: string
}

/** Bytes of what must be kept of an edit: its numbers in float32. */
export function editBytes(edit: Edit): number {
  return edit.parts.reduce((sum, part) => sum + arraysOf(part).reduce((n, [, { data }]) => n + 4 * data.length, 0), 0)
}

/** Writes a folder with edit.json and edit.safetensors, all of it or nothing. */
export function saveEdit(dir: string, edit: Edit, model: EditedModel): void {
  const tensors = new Map(edit.parts.flatMap((part, i) => arraysOf(part).map(([name, t]) => [`${i}.${name}`, t])))
  const json: z.input<typeof storedEdit> = {
    format: 'model-edit-1',
    method: edit.method,
    model: { name: model.name, hash: model.hash },
    requests: [...edit.requests],
    parts: edit.parts.map((part) => ({
      kind: part.kind,
      site: part.site,
      out: part.out,
      in: part.in,
      ...(part.kind === 'low-rank' ? { rank: part.rank } : {})
    })),
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
  const parsed = storedEdit.safeParse(readJsonObject(file))
  if (!parsed.success) throw new UserError(`not a stored edit: ${z.prettifyError(parsed.error)}`, { place: file })
  const { method, requests, model, values } = parsed.data
  const { tensors } = readSafetensorsHeader(join(dir, 'edit.safetensors'))
  const array = (name: string, length: number): Float32Array => {
    const entry = tensors.get(name)
    const data = entry && readTensor(name, entry)
    if (data?.length !== length)
      throw new UserError(`'${name}' is missing or not of the ${length} numbers edit.json says`, { place: dir })
    if (allFinite(data)) return data
    throw new UserError(`'${name}' holds values that are not finite (NaN or infinite)`, { place: dir })
  }
  const parts = parsed.data.parts.map((part, i): EditPart => {
    const { kind, site, out, in: width, rank } = part
    if (kind === 'low-rank') {
      if (rank === undefined) throw new UserError(`part ${i} of the edit has no 'rank'`, { place: file })
      return { kind, site, rank, out, in: width, u: array(`${i}.u`, out * rank), v: array(`${i}.v`, width * rank) }
    }
    const bias = tensors.has(`${i}.bias`) ? { bias: array(`${i}.bias`, out) } : {}
    return { kind, site, out, in: width, delta: array(`${i}.delta`, out * width), ...bias }
  })
  const diagnostics = values === undefined ? {} : { values }
  const withoutUndefined = requests.map(({ previousTarget, ...rest }) =>
    previousTarget === undefined ? rest : { ...rest, previousTarget }
  )
  return { edit: { method, requests: withoutUndefined, parts, diagnostics }, model }
}

function arraysOf(part: EditPart): [string, TensorToWrite][] {
  if (part.kind === 'low-rank')
    return [
      ['u', { shape: [part.out, part.rank], data: part.u }],
      ['v', { shape: [part.in, part.rank], data: part.v }]
    ]
  return [
    ['delta', { shape: [part.out, part.in], data: part.delta }],
    ...(part.bias === undefined
      ? []
      : [['bias', { shape: [part.out], data: part.bias }] satisfies [string, TensorToWrite]])
  ]
}
