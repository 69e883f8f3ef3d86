import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { explain, UserError } from '../harness/errors'
import { randomStream } from '../harness/random'
import { damaged, damagedJson } from './damage'
import { bytesOf, filesIn, type Target } from './targets'

/** An input that did something else than to be read or refused by one message. */
export interface Finding {
  readonly target: string
  readonly input: number
  readonly what: string
  /** The folder that did it. */
  readonly dir: string
}

/** Nothing small may take longer to be read or refused. */
const MOST_MS = 15_000

/**
 * Damages the inputs of a target and opens them, in `box/in`; what was found is kept in `box/found`.
 * @param onInput called before each
 */
export async function* attack(
  target: Target,
  { box, seed, from = 0 }: { box: string; seed: number; from?: number },
  onInput: (input: number) => void = () => {}
): AsyncGenerator<Finding | undefined> {
  const dir = join(box, 'in')
  const sound = target.seeds.map((fill) => {
    rmSync(dir, { recursive: true, force: true })
    mkdirSync(dir, { recursive: true })
    fill(dir)
    return bytesOf(dir)
  })
  for (let input = from; ; input++) {
    const random = randomStream(seed, `fuzz ${target.name}`, input)
    const files = new Map(random.pick(sound))
    const file = random.pick([...files.keys()].filter((name) => target.damages.test(name)))
    const bytes = files.get(file)!
    const asJson = file.endsWith('.json') && random.integer(3) > 0
    files.set(file, asJson ? Buffer.from(damagedJson(bytes.toString(), random)) : damaged(bytes, random))
    rmSync(dir, { recursive: true, force: true })
    for (const [name, content] of files) {
      mkdirSync(join(dir, name, '..'), { recursive: true })
      writeFileSync(join(dir, name), content)
    }
    onInput(input)
    const before = elsewhere(box)
    const what = (await outcome(target, dir)) ?? (elsewhere(box) === before ? undefined : 'it wrote outside its folder')
    if (what === undefined) {
      yield undefined
      continue
    }
    const found = join(box, 'found', `${target.name}-${input}`)
    cpSync(dir, found, { recursive: true })
    yield { target: target.name, input, what: `${file}: ${what}`, dir: found }
  }
}

/** What was wrong with how the program took it. */
async function outcome(target: Target, dir: string): Promise<string | undefined> {
  const start = performance.now()
  try {
    await target.open(dir)
  } catch (error) {
    const explained = explain(error)
    if (!(explained instanceof UserError)) return String((error as Error)?.stack ?? error)
    if (explained.format().length > 5000) return `a message of ${explained.format().length} characters`
  }
  const ms = performance.now() - start
  return ms > MOST_MS ? `it took ${ms.toFixed(0)} ms` : undefined
}

const elsewhere = (box: string): string =>
  filesIn(box)
    .filter((file) => !/^(in|found)\//.test(file))
    .join('\n')
