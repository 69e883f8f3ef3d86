import { z } from 'zod'
import { UserError } from '../harness/errors'
import { importDefault, type OutsideModule } from '../harness/outside'
import { findDataset } from '.'
import type { Dataset } from './types'

/** What a dataset from outside must have. */
const shape = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens'),
  title: z.string().min(1),
  source: z.string().min(1),
  license: z.string().min(1),
  measures: z.array(z.string()),
  needsFile: z.literal(true).optional(),
  layouts: z.array(z.object({ name: z.string(), keys: z.array(z.string()), without: z.array(z.string()).optional() })),
  load: z.custom((value) => typeof value === 'function', 'must be a function')
})

/** A dataset by its name here, or from outside. @throws UserError when it is no dataset */
export async function loadDataset(name: string, module: OutsideModule | undefined): Promise<Dataset> {
  if (module === undefined) return findDataset(name)
  const value = await importDefault(module)
  const parsed = shape.safeParse(value)
  if (parsed.success) return value as Dataset
  const [issue] = parsed.error.issues
  throw new UserError(`what it exports is no dataset: ${[...issue!.path.map(String), issue!.message].join(': ')}`, {
    place: module.file,
    hint: 'CONTRIBUTING.md says what a dataset is'
  })
}
