import { pathToFileURL } from 'node:url'

/** Modules of either kind; a compiled `import()` would be a `require`, which knows one. */
const importUrl = new Function('url', 'return import(url)') as (url: string) => Promise<unknown>

/** Loads a file. @param T what it exports */
export const importModule = <T>(file: string): Promise<T> => importUrl(pathToFileURL(file).href) as Promise<T>

/** Loads a package of ours that is an ES module. @param T its type */
export const importPackage = <T>(name: string): Promise<T> => importModule(require.resolve(name))
