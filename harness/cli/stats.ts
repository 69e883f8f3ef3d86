import type { Argv } from 'yargs'
import { duration, print, printJson, table } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('model', {
      type: 'string',
      demandOption: true,
      describe: 'An embedded model, a folder or a Hugging Face id'
    })
    .option('layers', {
      type: 'string',
      requiresArg: true,
      describe: 'Blocks, such as 3,4,5 or 3-8; all when missing'
    })
    .option('corpus', {
      type: 'string',
      requiresArg: true,
      describe:
        "Text, a document a line, or JSON Lines, CSV, TSV or Parquet with 'text'; the embedded world's when missing"
    })
    .option('tokens', {
      type: 'number',
      requiresArg: true,
      describe: 'Tokens to average over; 20 for every dimension of a key when missing'
    })
    .option('spectrum', {
      type: 'boolean',
      default: false,
      describe: 'Show the eigenvalues too, which AlphaEdit cuts by: n³ operations a block'
    })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const statsCommand = command({
  command: 'stats <model>',
  describe: 'Compute the second moments of MLP keys that ROME, MEMIT and others need, and keep them in the cache',
  builder,
  async handler({ model: name, layers: given, corpus: file, tokens: wanted, spectrum, json }) {
    const { UserError } = await import('../errors')
    const { openModel } = await import('../model')
    const { cacheDir } = await import('../runner/machine')
    const { describeCorpus, openCorpus } = await import('../runner/corpus')
    const { useBackend } = await import('../tensor')
    const { symmetricEigen } = await import('../tensor/linalg')
    const { contextOf } = await import('../../methods/context')
    const { momentTokens } = await import('../../methods/locate/hyperparameters')
    const { momentFile, momentKey, secondMoments } = await import('../../methods/locate/second-moment')
    await useBackend('auto')
    const model = await openModel(name)
    const { layers: count } = model.config
    const layers = given === undefined ? Array.from({ length: count }, (_, l) => l) : blocks(given)
    const wrong = layers.find((l) => !Number.isInteger(l) || l < 0 || l >= count)
    if (wrong !== undefined || layers.length === 0)
      throw new UserError(`no such blocks: '${given}'`, {
        place: '--layers',
        hint: `the model's are 0 to ${count - 1}: 3,4,5 or 3-8`
      })
    if (wanted !== undefined && !(Number.isInteger(wanted) && wanted > 0))
      throw new UserError(`must be a whole number above 0, found ${wanted}`, { place: '--tokens' })
    const tokens = wanted ?? momentTokens(model.config)
    const corpus = openCorpus(await describeCorpus(file === undefined ? 'world' : { file }, cacheDir()))
    const sites = layers.map((l) => `layers.${l}.mlp.proj`)
    const said = new Map<string, 'computed' | 'cached'>()
    const start = performance.now()
    const context = contextOf({
      cacheDir: cacheDir(),
      corpus,
      onSetup: (what, how) => void said.set(what, how)
    })
    const moments = secondMoments(model, sites, { tokens, ridge: 0 }, context)
    const seconds = (performance.now() - start) / 1000
    const found = moments.map(({ matrix, n }, i) => {
      let trace = 0
      for (let d = 0; d < n; d++) trace += matrix[d * n + d]!
      const values = spectrum ? symmetricEigen(matrix, n).values : undefined
      return {
        site: sites[i]!,
        dimensions: n,
        tokens,
        how: said.get(`second moment of ${sites[i]}`)!,
        meanSquare: trace / n,
        ...(values === undefined
          ? {}
          : { eigenvalues: { least: values[0]!, median: values[n >> 1]!, largest: values.at(-1)! } }),
        file: momentFile(cacheDir(), momentKey(model, sites[i]!, corpus, tokens))
      }
    })
    if (json) {
      printJson(found)
      return
    }
    const small = (x: number) => x.toExponential(2)
    const rows = found.map((f) => [
      f.site,
      String(f.dimensions),
      f.how,
      small(f.meanSquare),
      ...(f.eigenvalues === undefined
        ? []
        : [small(f.eigenvalues.least), small(f.eigenvalues.median), small(f.eigenvalues.largest)])
    ])
    const header = [
      'site',
      'dimensions',
      '',
      'mean square',
      ...(spectrum ? ['least eigenvalue', 'median', 'largest'] : [])
    ]
    print(table([header, ...rows], { right: [1, 3, 4, 5, 6] }))
    print(`\n${tokens} tokens, ${duration(seconds)}`)
    for (const { file: path } of found) print(path)
  }
})

/** `3,4,5`, `3-8`. */
const blocks = (text: string): number[] =>
  text.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map((n) => (n.trim() === '' ? Number.NaN : Number(n)))
    if (!(last! >= first!)) return [Number.NaN]
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i)
  })
