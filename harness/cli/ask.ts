import type { Argv } from 'yargs'
import type { LanguageModel } from '../model'
import { print, printJson } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('model', {
      type: 'string',
      demandOption: true,
      describe: 'An embedded model, a folder, or a Hugging Face id'
    })
    .positional('prompt', { type: 'string', demandOption: true, describe: 'Text to go on from' })
    .option('edit', { type: 'string', requiresArg: true, describe: 'Folder of a stored edit: RUN/edits/SETTING/CASE' })
    .option('tokens', { type: 'number', default: 16, requiresArg: true, describe: 'Longest answer in tokens' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const askCommand = command({
  command: 'ask <model> <prompt>',
  describe: "Show a model's greedy answer, before and after a stored edit",
  builder,
  async handler({ model: name, prompt, edit: dir, tokens, json }) {
    const { UserError } = await import('../errors')
    const { edited, loadEdit } = await import('../edit')
    const { decodeContinuation, encodePrompt, openModel } = await import('../model')
    const { useBackend } = await import('../tensor')
    if (!Number.isInteger(tokens) || tokens < 1)
      throw new UserError('must be a whole number from 1', { place: '--tokens' })
    const stored = dir === undefined ? undefined : loadEdit(dir)
    await useBackend('auto')
    const model = await openModel(name)
    if (stored !== undefined && stored.model.hash !== model.hash) {
      throw new UserError(`this edit was made for ${stored.model.name} with other weights`, {
        place: dir!,
        hint: `open the model it was made for: bench ask ${stored.model.name} ...`
      })
    }
    const ids = encodePrompt(model.tokenizer, prompt)
    if (ids.length === 0) throw new UserError('the prompt is empty')
    const answer = (asked: LanguageModel) =>
      decodeContinuation(model.tokenizer, ids, asked.generate([{ prompt }], { maxNewTokens: tokens })[0]!)
    const before = answer(model)
    const after = stored && answer(edited(model, stored.edit))
    if (json) {
      printJson({ model: name, prompt, before, ...(after === undefined ? {} : { after, edit: stored!.edit.requests }) })
      return
    }
    if (after === undefined) {
      print(`${prompt}${before}`)
      return
    }
    for (const r of stored!.edit.requests) print(`edit:   ${r.prompt} -> ${r.target} (${stored!.edit.method})`)
    print(`before: ${prompt}${before}`)
    print(`after:  ${prompt}${after}`)
  }
})
