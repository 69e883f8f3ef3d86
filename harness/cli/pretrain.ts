import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Argv } from 'yargs'
import { duration, percent, print } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('recipe', { type: 'string', demandOption: true, describe: 'An embedded model, such as gptj-mini' })
    .option('out', { type: 'string', demandOption: true, requiresArg: true, describe: 'Folder the model goes to' })
    .option('tokens', { type: 'number', requiresArg: true, describe: "Tokens to train on; the recipe's when missing" })
    .option('seed', { type: 'number', requiresArg: true, describe: 'Seed of everything random' })
    .option('resume', { type: 'boolean', default: false, describe: 'Go on from the last checkpoint in the folder' })

export const pretrainCommand = command({
  command: 'pretrain <recipe>',
  describe: 'Train an embedded model on the made-up world',
  builder,
  async handler({ recipe: name, out, tokens, seed, resume }) {
    const { UserError } = await import('../errors')
    const { closestTo } = await import('../closest')
    const { RECIPES } = await import('../training/recipes')
    const { pretrain } = await import('../training/pretrain')
    const { probeWorld } = await import('../training/probe')
    const { modelCard } = await import('../training/card')
    const { openModel } = await import('../model')
    const { useBackend } = await import('../tensor')
    const { worldTexts } = await import('../training/texts')
    const known = RECIPES.find((r) => r.name === name)
    if (known === undefined) {
      const names = RECIPES.map((r) => r.name)
      throw new UserError(`unknown recipe '${name}'${closestTo(name, names)}`, { hint: `recipes: ${names.join(', ')}` })
    }
    const recipe = { ...known, ...(tokens === undefined ? {} : { tokens }), ...(seed === undefined ? {} : { seed }) }
    if (!(recipe.tokens >= recipe.batch * recipe.seq)) {
      throw new UserError(`must be at least one batch, ${recipe.batch * recipe.seq}`, { place: '--tokens' })
    }
    await useBackend('auto')
    const { seconds, loss } = await pretrain(recipe, worldTexts(recipe), {
      out,
      resume,
      onProgress: (p) =>
        process.stderr.write(
          `step ${p.step}/${p.steps}  loss ${p.loss.toFixed(3)}  ${p.tokensPerSecond.toFixed(0)} tokens/s  ${duration(p.secondsLeft)} left\n`
        )
    })
    const model = await openModel(out)
    const parameters = model.weightNames().reduce((sum, weight) => sum + model.weight(weight).size, 0)
    const probe = probeWorld(model)
    writeFileSync(join(out, 'README.md'), modelCard(recipe, parameters, loss, probe, seconds))
    const { trained, 'held-out': heldOut } = probe.kinds
    print(
      `${out}: knows ${percent(trained.exact)} % in trained phrasings, ${percent(heldOut.exact)} % in held-out ones`
    )
  }
})
