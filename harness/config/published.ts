import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { UserError } from '../errors'
import type { ModelConfig } from '../model'
import { packageRoot } from '../package-root'

/** configs/methods/METHOD/MODEL.yaml: the values a method was published with, or measured to want, for a model. */
const publishedSchema = z.strictObject({
  /** Models of this shape, whatever they are called. */
  model: z.strictObject({
    architecture: z.string(),
    layers: z.int().min(1),
    dim: z.int().min(1),
    /** Where models are alike but for their MLPs: Llama 2 of 7 B and Llama 3 of 8 B. */
    ff_dim: z.int().min(1).optional()
  }),
  /** Where the values come from. */
  source: z.string().min(1),
  hyperparameters: z.record(z.string(), z.unknown())
})

export interface PublishedValues {
  readonly hyperparameters: Readonly<Record<string, unknown>>
  readonly source: string
  /** Relative to the package. */
  readonly file: string
}

/** The file that knows a method on a model of this shape; undefined when there is none. @throws UserError for a file that is not of this form */
export function publishedValues(method: string, model: ModelConfig): PublishedValues | undefined {
  const dir = join(packageRoot(), 'configs', 'methods', method)
  if (!existsSync(dir)) return undefined
  const names = readdirSync(dir).filter((name) => name.endsWith('.yaml'))
  for (const name of names.sort()) {
    const file = join(dir, name)
    const parsed = publishedSchema.safeParse(parse(readFileSync(file, 'utf8')))
    if (!parsed.success) throw new UserError(`not published values: ${z.prettifyError(parsed.error)}`, { place: file })
    const { model: shape, source, hyperparameters } = parsed.data
    const alike = shape.architecture === model.architecture && shape.layers === model.layers && shape.dim === model.dim
    if (alike && (shape.ff_dim ?? model.ffDim) === model.ffDim)
      return { hyperparameters, source, file: relative(packageRoot(), file) }
  }
  return undefined
}
