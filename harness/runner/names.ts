import { fileName } from '../file-name'

/**
 * Short names for models: what people call an embedded one or one of the hub, and of a folder the last parts of its path, as many as tell the
 * models of a run apart. No path of the machine gets into results.
 */
export function shortNames(models: readonly string[], isFolder: (model: string) => boolean): Map<string, string> {
  const parts = (model: string) => model.split(/[\\/]+/).filter((p) => p !== '' && p !== '.')
  const tail = (model: string, count: number) => parts(model).slice(-count).join('/')
  const names = new Map<string, string>()
  for (const model of models) {
    if (!isFolder(model)) {
      names.set(model, model)
      continue
    }
    const others = models.filter((m) => m !== model)
    let count = 1
    while (count < parts(model).length && others.some((m) => tail(m, count) === tail(model, count))) count++
    names.set(model, tail(model, count))
  }
  return names
}

/** Fit for a file name; ids of the hub and folders keep as many of their last parts as tell the names apart. */
export function fileNames(names: readonly string[]): Map<string, string> {
  const short = shortNames(names, () => true)
  return new Map(names.map((name) => [name, fileName(short.get(name)!.replaceAll('/', '_'))]))
}
