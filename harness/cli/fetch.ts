import { Presets, SingleBar } from 'cli-progress'
import type { Argv } from 'yargs'
import { bytes, harmless, print, printJson, printNote } from '../terminal'
import { command } from './command'

const builder = (yargs: Argv) =>
  yargs
    .positional('what', {
      type: 'string',
      demandOption: true,
      describe: 'ORG/NAME of a model, or datasets/ORG/NAME, on the Hugging Face hub'
    })
    .option('revision', { type: 'string', default: 'main', requiresArg: true, describe: 'Branch, tag or commit' })
    .option('offline', { type: 'boolean', default: false, describe: 'Use only what is in the cache' })
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON object instead of text' })

export const fetchCommand = command({
  command: 'fetch <what>',
  describe: 'Download a model or dataset into the Hugging Face cache (HF_HOME, HF_ENDPOINT, HF_TOKEN)',
  builder,
  async handler({ what, revision, offline, json }) {
    const { UserError } = await import('../errors')
    const { fetchRepository, parseRepository } = await import('../hub')
    const parsed = parseRepository(what)
    if (parsed === undefined) {
      throw new UserError(`'${what}' is no repository of the hub`, {
        hint: 'write ORG/NAME for a model, datasets/ORG/NAME for a dataset; `bench list models` shows models people edit'
      })
    }
    const view = process.stderr.isTTY === true ? bar() : lines()
    try {
      const { dir, commit, files } = await fetchRepository(parsed.repository, {
        revision: parsed.revision ?? revision,
        offline,
        onProgress: ({ path, bytes: done, total }) => view.update(path, done, total),
        onRetry: (reason) => printNote(`${reason}; trying again`)
      })
      view.stop()
      if (json) printJson({ dir, commit, files })
      else print(`${what} (${commit.slice(0, 10)}): ${dir}`)
    } catch (error) {
      view.stop()
      throw error
    }
  }
})

interface View {
  update(path: string, done: number, total: number): void
  stop(): void
}

function bar(): View {
  const view = new SingleBar(
    {
      format: '  {bar} {percentage} %  {here} of {all}  {eta_formatted} left  {path}',
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true
    },
    Presets.shades_classic
  )
  let started = false
  return {
    update(path, done, total) {
      const payload = { path: harmless(path), here: bytes(done), all: bytes(total) }
      if (!started) view.start(total, done, payload)
      started = true
      view.update(done, payload)
    },
    stop: () => {
      if (started) view.stop()
    }
  }
}

/** A plain log gets a line for every file, and now and then within a large one. */
function lines(): View {
  let last = { path: '', at: 0 }
  return {
    update(path, done, total) {
      const now = performance.now()
      if (path === '' || (path === last.path && now - last.at < 10_000)) return
      last = { path, at: now }
      printNote(`${path}: ${bytes(done)} of ${bytes(total)}`)
    },
    stop: () => {}
  }
}
