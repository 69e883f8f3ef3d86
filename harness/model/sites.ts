import type { Edit, EditPart } from '../edit/types'
import { UserError } from '../errors'

/** Shape of a weight by its name, undefined where the model has none. */
type ShapeOf = (weight: string) => readonly number[] | undefined

/**
 * Whether an edit's part can act: a known kind, at a linear site the model has, with as many numbers as the site's weight wants.
 * @throws UserError otherwise; such a part would change nothing, and say nothing
 */
export function checkPart(part: EditPart, shapeOf: ShapeOf): void {
  const { kind, site } = part
  const bad = (message: string) =>
    new UserError(`the edit's part at '${site}' ${message}`, { hint: 'was it made for another model?' })
  const shape = shapeOf(`${site}.weight`)
  if (shape?.length !== 2 || !site.startsWith('layers.')) throw bad('is at a site this model does not have')
  if (part.out !== shape[0] || part.in !== shape[1])
    throw bad(`is for a weight of [${part.out}, ${part.in}], the model's is [${shape.join(', ')}]`)
  if (kind === 'low-rank') {
    const { u, v, rank } = part
    if (!(rank >= 1) || u.length !== part.out * rank || v.length !== part.in * rank)
      throw bad(`has ${u.length} and ${v.length} numbers, which is no change of rank ${rank}`)
  } else if (kind === 'dense') {
    if (part.delta.length !== part.out * part.in || (part.bias !== undefined && part.bias.length !== part.out))
      throw bad('has other numbers than its size says')
  } else throw bad(`is of the unknown kind '${String(kind)}'`)
}

/** @throws UserError when the edit cannot act on the model, or holds what is no number */
export function checkEdit(edit: Edit, shapeOf: ShapeOf): void {
  for (const part of edit.parts) {
    checkPart(part, shapeOf)
    const arrays = part.kind === 'low-rank' ? [part.u, part.v] : [part.delta, part.bias ?? new Float32Array()]
    if (!arrays.every(allFinite))
      throw new UserError(`the edit at '${part.site}' holds numbers that are not finite (NaN or infinite)`, {
        hint: 'its optimisation diverged: a smaller learning rate or norm constraint may help'
      })
  }
}

/** Whether all values are numbers, neither NaN nor infinite. */
export function allFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (values[i]! - values[i]! !== 0) return false
  return true
}
