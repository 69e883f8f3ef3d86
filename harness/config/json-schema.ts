import { z } from 'zod'
import { DATASETS } from '../../datasets'
import { METHODS } from '../../methods'
import { configSchema } from './schema'

type Json = Record<string, unknown>

/**
 * The config's JSON Schema (configs/schema.json), by which editors complete and check configs: made from the zod schemas of
 * the config and of every method.
 */
export function configJsonSchema(): Json {
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as unknown as Json & {
    properties: { methods: { items: Json & { properties: Json } }; datasets: { items: { properties: { name: Json } } } }
  }
  const { items: entry } = schema.properties.methods
  schema.properties.methods.items = {
    anyOf: [
      ...METHODS.map((method) => ({
        ...entry,
        properties: {
          ...entry.properties,
          name: { const: method.name, description: `${method.title}: ${method.source}` },
          hyperparameters: hyperparameters(method.hyperparameters)
        }
      })),
      { ...entry, properties: { ...entry.properties, name: OUTSIDE } }
    ]
  } as Json as typeof schema.properties.methods.items
  schema.properties.datasets.items.properties.name = { anyOf: [{ enum: DATASETS.map((d) => d.name) }, OUTSIDE] }
  return { ...schema, title: 'Run of the model-editing benchmark' }
}

/** A file, or a package with a slash or dot in its name: what is not must be one of ours. */
const OUTSIDE = { type: 'string', pattern: '[./]', description: 'A file, ./mine.mjs, or a package' }

/** In a config every hyper-parameter may be missing. */
function hyperparameters(schema: z.ZodType): Json {
  const { $schema: _, required: __, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json
  return rest
}
