import type { Argv } from 'yargs'
import { percent, print, printJson, table } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('model', { type: 'string', demandOption: true, describe: 'An embedded model or a folder' })
    .option('layer', { type: 'number', requiresArg: true, describe: 'Block of the neuron' })
    .option('neuron', { type: 'number', requiresArg: true, describe: 'Its number among those of the MLP' })
    .option('top', { type: 'number', default: 10, requiresArg: true, describe: 'Prefixes and tokens that are named' })
    .option('corpus', {
      type: 'string',
      requiresArg: true,
      describe:
        "Text, a document a line, or JSON Lines, CSV, TSV or Parquet with 'text'; the embedded world's when missing"
    })
    .option('tokens', { type: 'number', default: 50_000, requiresArg: true, describe: 'Tokens of it that are read' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const memoriesCommand = command({
  command: 'memories <model>',
  describe: 'Show what a neuron of an MLP answers to and what it promotes; without --neuron how often the two agree',
  builder,
  async handler({ model: name, layer, neuron, top, corpus: file, tokens, json }) {
    const { UserError } = await import('../errors')
    const { openModel } = await import('../model')
    const { describeCorpus, openCorpus } = await import('../runner/corpus')
    const { cacheDir } = await import('../runner/machine')
    const { useBackend } = await import('../tensor')
    const { agreements, promotedBy, triggers } = await import('../memories/memories')
    if ((layer === undefined) !== (neuron === undefined))
      throw new UserError('a neuron has a block and a number', {
        place: layer === undefined ? '--layer' : '--neuron',
        hint: 'give both, or none'
      })
    await useBackend('auto')
    const model = await openModel(name)
    const { layers, ffDim } = model.config
    const within = (flag: string, value: number, end: number) => {
      if (!Number.isInteger(value) || value < 0 || value >= end)
        throw new UserError(`must be a whole number from 0 to ${end - 1}, found ${value}`, { place: flag })
    }
    const corpus = openCorpus(await describeCorpus(file === undefined ? 'world' : { file }, cacheDir()))
    if (layer === undefined || neuron === undefined) {
      const found = agreements(model, corpus.documents(), tokens)
      if (json) printJson(found)
      else {
        const rows = found.map((a) => [
          String(a.layer),
          String(a.neurons),
          String(a.agree),
          percent(a.agree / a.neurons)
        ])
        print(table([['block', 'neurons', 'agree', '%'], ...rows], { right: [0, 1, 2, 3] }))
        print('agree: the value promotes most what follows the prefix that the key answers to most')
      }
      return
    }
    within('--layer', layer, layers)
    within('--neuron', neuron, ffDim)
    const found = {
      layer,
      neuron,
      triggers: triggers(model, layer, neuron, corpus.documents(), { tokens, count: top }),
      ...promotedBy(model, layer, neuron, top)
    }
    if (json) {
      printJson(found)
      return
    }
    print(`block ${layer}, neuron ${neuron} of ${model.name}\n\nits key answers to`)
    print(
      table(
        found.triggers.map((t) => [t.coefficient.toFixed(2), `…${t.prefix.slice(-70)}`, `→ ${t.next}`]),
        { right: [0] }
      )
    )
    const side = (title: string, promoted: typeof found.most) =>
      print(`\n${title}\n${promoted.map((p) => `${p.token.trim()} ${p.logit.toFixed(2)}`).join(', ')}`)
    side('its value promotes', found.most)
    side('and puts down', found.least)
  }
})
