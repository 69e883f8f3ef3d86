import { z } from 'zod'
import { UserError } from '../harness/errors'
import { importDefault, type OutsideModule } from '../harness/outside'
import { findMethod } from '.'
import { type EditingMethod, FAMILIES } from './types'

const anyFunction = z.custom<(...args: never[]) => unknown>(
  (value) => typeof value === 'function',
  'must be a function'
)

/** What a method from outside must have, and may have. */
const shape = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'must be lower-case letters, digits and hyphens'),
  title: z.string().min(1),
  family: z.enum(FAMILIES),
  source: z.string().min(1),
  holdsMany: z.boolean(),
  hyperparameters: z.custom<z.ZodType>(
    (value) => typeof (value as { safeParse?: unknown } | null)?.safeParse === 'function',
    'must be a zod schema'
  ),
  edit: anyFunction,
  defaults: anyFunction.optional(),
  check: anyFunction.optional(),
  passesPerToken: anyFunction.optional(),
  trainedBy: z.array(z.string()).optional(),
  train: anyFunction.optional(),
  prepare: anyFunction.optional()
})

/** A method by its name here, or from outside. @throws UserError when it is no method */
export async function loadMethod(name: string, module: OutsideModule | undefined): Promise<EditingMethod> {
  if (module === undefined) return findMethod(name)
  const value = await importDefault(module)
  const parsed = shape.safeParse(value)
  if (parsed.success) return value as EditingMethod
  const [issue] = parsed.error.issues
  throw new UserError(
    `what it exports is no editing method: ${[...issue!.path.map(String), issue!.message].join(': ')}`,
    {
      place: module.file,
      hint: 'CONTRIBUTING.md says what a method is'
    }
  )
}
