import { UserError } from '../../errors'
import type { LanguageModel } from '../../model'

/** What is wrong with a part, and what may be the reason. */
export const misfit = (site: string, message: string): UserError =>
  new UserError(`the edit's part at '${site}' ${message}`, { hint: 'was it made for another model?' })

/** @throws UserError when the model has no linear map of this size at the part's site */
export function checkLinearSite(
  { site, out, in: width }: { readonly site: string; readonly out: number; readonly in: number },
  model: Pick<LanguageModel, 'weightShape' | 'config'>
): void {
  const shape = site === 'head' ? [model.config.vocab, model.config.dim] : model.weightShape(`${site}.weight`)
  if (shape?.length !== 2 || !(site.startsWith('layers.') || site === 'head'))
    throw misfit(site, 'is at a site this model does not have')
  if (out !== shape[0] || width !== shape[1])
    throw misfit(site, `is for a weight of [${out}, ${width}], the model's is [${shape.join(', ')}]`)
}
