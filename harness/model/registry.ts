import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { UserError } from '../errors'
import { CHECKPOINT_FILES } from './checkpoint'
import { KNOWN_MODELS } from './known'

/** The package's root: where package.json lies, whether the code runs from its sources or compiled. */
export function packageRoot(): string {
  for (let dir = __dirname; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json')
    if (
      existsSync(file) &&
      (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'model-editing-bench'
    )
      return dir
    if (dir === dirname(dir)) throw new Error('package.json of model-editing-bench not found')
  }
}

const embeddedRoot = () => join(packageRoot(), 'harness', 'model', 'embedded')

/** Models that come with the package. */
export function embeddedModels(): string[] {
  const root = embeddedRoot()
  return existsSync(root)
    ? readdirSync(root)
        .filter((name) => existsSync(join(root, name, 'config.json')))
        .sort()
    : []
}

/**
 * The folder of a model: an embedded one, a local folder, or the hub cache's newest snapshot of a Hugging Face id.
 * @throws UserError that names what is missing and every way to get it.
 */
export function resolveModel(name: string): string {
  if (embeddedModels().includes(name)) return join(embeddedRoot(), name)
  if (existsSync(name)) {
    if (statSync(name).isDirectory()) return name
    throw new UserError('a model is a folder, this is a file', {
      place: name,
      hint: 'name the folder that holds config.json'
    })
  }
  if (!/^[\w.-]+\/[\w.-]+$/.test(name) || name.startsWith('.')) {
    throw new UserError(`no model '${name}'`, {
      hint: `embedded models: ${embeddedModels().join(', ')}; or a folder, or a Hugging Face id (ORG/NAME)`
    })
  }
  const cached = cachedSnapshot(name)
  if (cached !== undefined) return cached
  throw notDownloaded(name)
}

/** Where the Hugging Face libraries keep their downloads. */
export function hubCache(): string {
  const { HF_HUB_CACHE, HF_HOME } = process.env
  return HF_HUB_CACHE ?? join(HF_HOME ?? join(homedir(), '.cache', 'huggingface'), 'hub')
}

function cachedSnapshot(id: string): string | undefined {
  const root = join(hubCache(), `models--${id.replace('/', '--')}`)
  const ref = join(root, 'refs', 'main')
  const snapshots = join(root, 'snapshots')
  if (!existsSync(snapshots)) return undefined
  const names = existsSync(ref) ? [readFileSync(ref, 'utf8').trim()] : readdirSync(snapshots)
  for (const name of names) {
    const dir = join(snapshots, name)
    if (!existsSync(join(dir, 'config.json'))) continue
    if (CHECKPOINT_FILES.some((file) => existsSync(join(dir, file)))) return dir
  }
  return undefined
}

function notDownloaded(id: string): UserError {
  const known = KNOWN_MODELS.find((m) => m.id.toLowerCase() === id.toLowerCase())
  const about = known === undefined ? '' : ` (${known.parameters}, about ${known.downloadGb} GB)`
  return new UserError(`the weights of ${id}${about} are not on this machine`, {
    place: `model: ${id}`,
    hint: [
      `looked for config.json and model.safetensors or pytorch_model.bin in ${join(hubCache(), `models--${id.replace('/', '--')}`)}`,
      'to get them, one of:',
      `- huggingface-cli download ${id}   (into that cache; HF_HOME moves it)`,
      '- --model DIR   a folder of that architecture (config.json, tokenizer.json, model.safetensors or pytorch_model.bin)',
      `- --model ${embeddedModels()[0] ?? 'gptj-mini'}   the embedded model, to try the same config now`
    ].join('\n')
  })
}
