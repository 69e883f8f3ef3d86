import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../errors'
import { CachedRepository, parseRepository, type Repository } from '../hub'
import { packageRoot } from '../package-root'
import { CHECKPOINT_FILES } from './checkpoint'
import { KNOWN_MODELS } from './known'

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
 * The folder of a model: an embedded one, a local folder, or the snapshot of a Hugging Face id in the hub's cache.
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
  const parsed = parseRepository(name)
  if (parsed === undefined || parsed.repository.type !== 'model') {
    throw new UserError(`no model '${name}'`, {
      hint: `embedded models: ${embeddedModels().join(', ')}; or a folder, or a Hugging Face id (ORG/NAME, ORG/NAME@REVISION)`
    })
  }
  const cached = cachedSnapshot(parsed.repository, parsed.revision)
  if (cached !== undefined) return cached
  throw notDownloaded(name, parsed.repository)
}

/** The cached snapshot of a revision, undefined when there is none with config and weights. */
function cachedSnapshot(repository: Repository, revision = 'main'): string | undefined {
  const cached = new CachedRepository(repository)
  const commit = cached.commitOf(revision)
  const dir = commit === undefined ? undefined : cached.snapshot(commit)
  if (dir === undefined || !existsSync(join(dir, 'config.json'))) return undefined
  return CHECKPOINT_FILES.some((file) => existsSync(join(dir, file))) ? dir : undefined
}

function notDownloaded(name: string, repository: Repository): UserError {
  const known = KNOWN_MODELS.find((m) => m.id.toLowerCase() === repository.name.toLowerCase())
  const about = known === undefined ? '' : ` (${known.parameters}, about ${known.downloadGb} GB)`
  return new UserError(`the weights of ${name}${about} are not on this machine`, {
    place: `model: ${name}`,
    hint: [
      `looked for config.json and model.safetensors or pytorch_model.bin in ${new CachedRepository(repository).dir}`,
      'to get them, one of:',
      `- bench fetch ${name}   (into that cache; HF_HOME moves it, HF_ENDPOINT names a mirror)`,
      '- --model DIR   a folder of that architecture (config.json, tokenizer.json, model.safetensors or pytorch_model.bin)',
      '- --model gptj-mini   the embedded model, to try the same config now'
    ].join('\n')
  })
}
