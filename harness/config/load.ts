import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, extname, isAbsolute, join } from 'node:path'
import { isMap, LineCounter, type Node, parseDocument } from 'yaml'
import { z } from 'zod'
import { closestTo } from '../closest'
import { UserError } from '../errors'
import { packageRoot } from '../package-root'
import { type Config, configSchema, type DatasetEntry } from './schema'

export interface LoadedConfig {
  readonly config: Config & { readonly name: string }
  /** Folder that paths in the config are relative to, and that packages it names are looked up from. */
  readonly dir: string
  /** Where a key of the file stands, for messages of later checks: `configs/a.yaml:12`. */
  readonly placeOf: (path: readonly PropertyKey[]) => string
}

/** How many values a file may stand for by repeating itself. */
const MOST_ALIASES = 100
/** Configs are written by people. */
const MOST_BYTES = 1 << 20

/** A config that is not here but comes with the package, such as configs/quickstart.yaml: the package may lie in node_modules. */
function findConfig(file: string): string {
  if (existsSync(file)) return file
  const own = join(packageRoot(), file)
  if (/^configs[\\/](?:gate[\\/])?[\w.-]+\.yaml$/.test(file) && existsSync(own)) return own
  throw new UserError('no such config file', {
    place: file,
    hint: `examples come with the package: ${examples().join(', ')}`
  })
}

const examples = () =>
  readdirSync(join(packageRoot(), 'configs'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => `configs/${name}`)

/** A YAML file, and where its keys stand. @throws UserError when it is none */
function readYaml(file: string): { content: unknown; placeOf: LoadedConfig['placeOf'] } {
  const { size } = statSync(file)
  if (statSync(file).isDirectory()) throw new UserError('a config is a YAML file, this is a folder', { place: file })
  if (size > MOST_BYTES) throw new UserError(`a config is a YAML file, this one has ${size} bytes`, { place: file })
  const lines = new LineCounter()
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines })
  const [broken] = document.errors
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0])
    throw new UserError(`not valid YAML: ${broken.message.split(' at line')[0]}`, { place: `${file}:${line}:${col}` })
  }
  const placeOf = (path: readonly PropertyKey[]): string => {
    const offset = offsetOf(document.contents, path)
    return offset === undefined ? file : `${file}:${lines.linePos(offset).line}`
  }
  try {
    return { content: document.toJS({ maxAliasCount: MOST_ALIASES }) ?? {}, placeOf }
  } catch (error) {
    // Aliases of aliases can stand for billions of values.
    throw new UserError(`not a config: ${(error as Error).message}`, { place: file })
  }
}

/**
 * A YAML file of another kind than a run's; its schema's defaults when there is none.
 * @throws UserError that names file, line and key
 */
export function loadRules<T>(file: string | undefined, schema: z.ZodType<T>): T {
  if (file === undefined) return schema.parse({})
  const { content, placeOf } = readYaml(findConfig(file))
  const parsed = schema.safeParse(content)
  if (!parsed.success) throw problem(parsed.error.issues[0]!, placeOf, schema)
  return parsed.data
}

/**
 * Reads and validates a run's YAML. Paths inside it are relative to the file.
 * @throws UserError that names file, line and key, with the closest known key when one is unknown
 */
export function loadConfig(name: string): LoadedConfig {
  const file = findConfig(name)
  const { content, placeOf } = readYaml(file)
  const parsed = configSchema.safeParse(content)
  if (!parsed.success) throw problem(parsed.error.issues[0]!, placeOf)
  const near = (path: string) => (isAbsolute(path) ? path : join(dirname(file), path))
  const nearAbility = (sources: NonNullable<Config['general_ability']>) =>
    Object.fromEntries(Object.entries(sources).map(([what, s]) => [what, s === 'world' ? s : near(s)]))
  const nearSource = (d: DatasetEntry) => (d.source === undefined ? d : { ...d, source: near(d.source) })
  const config = {
    ...parsed.data,
    name: parsed.data.name ?? basename(file, extname(file)),
    datasets: parsed.data.datasets.map(nearSource),
    ...(parsed.data.train_on === undefined ? {} : { train_on: parsed.data.train_on.map(nearSource) }),
    ...(parsed.data.general_ability === undefined ? {} : { general_ability: nearAbility(parsed.data.general_ability) }),
    ...(parsed.data.corpus === undefined ? {} : { corpus: near(parsed.data.corpus) })
  }
  return { config, placeOf, dir: dirname(file) }
}

/** Start of the deepest node along a path: of the key where the path ends at one. */
function offsetOf(root: unknown, path: readonly PropertyKey[]): number | undefined {
  let node = root as Node | null | undefined
  let offset = node?.range?.[0]
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String((item.key as { value?: unknown }).value) === String(step))
      if (pair === undefined) return offset
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value as Node | null
    } else {
      node = (node as unknown as { items?: Node[] } | null)?.items?.[Number(step)]
      offset = node?.range?.[0] ?? offset
    }
  }
  return offset
}

/** One zod issue as a message; also used for the hyper-parameters of methods. */
export function problem(
  issue: z.core.$ZodIssue,
  placeOf: (path: readonly PropertyKey[]) => string,
  schema: z.ZodType = configSchema,
  prefix: readonly PropertyKey[] = []
): UserError {
  const path = [...prefix, ...issue.path]
  const key = path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`))
    .join('')
  if (issue.code === 'unrecognized_keys') {
    const unknown = issue.keys[0]!
    const known = keysAt(schema, issue.path)
    return new UserError(`unknown key '${unknown}'${key === '' ? '' : ` in ${key}`}${closestTo(unknown, known)}`, {
      place: placeOf([...path, unknown]),
      hint: `known keys: ${known.join(', ')}`
    })
  }
  return new UserError(`${key}: ${issue.message.charAt(0).toLowerCase()}${issue.message.slice(1)}`, {
    place: placeOf(path)
  })
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
}

/** Keys an object may have at a path of a schema. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema | undefined
  for (const step of path) at = typeof step === 'number' ? at?.items : at?.properties?.[String(step)]
  return Object.keys(at?.properties ?? {})
}
