import { UserError } from '../errors'
import { allFinite } from '../finite'
import type { LanguageModel } from '../model'
import { kindOf } from './kinds'
import type { Edit } from './types'

/** @throws UserError when the edit cannot act on the model, or holds what is no number */
export function checkEdit(edit: Edit, model: Pick<LanguageModel, 'config' | 'weightShape'>): void {
  for (const part of edit.parts) {
    const kind = kindOf(part)
    kind.check(part, model)
    if (!Object.values(kind.arrays(part)).every(({ data }) => allFinite(data)))
      throw new UserError(`the edit at '${part.site}' holds numbers that are not finite (NaN or infinite)`, {
        hint: 'its optimisation diverged: a smaller learning rate or norm constraint may help'
      })
  }
}
