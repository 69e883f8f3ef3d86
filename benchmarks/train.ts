import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { pretrain } from '../harness/training/pretrain'
import { RECIPES, type Recipe } from '../harness/training/recipes'
import { worldTexts } from '../harness/training/texts'

/*
 * How fast the embedded models are trained, in tokens a second; beside it PyTorch with the same model, optimizers and batches where
 * `python3` has it (and transformers).
 * `npm run bench:train -- [RECIPE…] [--steps N]`; all recipes and 60 steps unless said otherwise
 */

/** Undefined where there is no PyTorch. */
function pytorch(model: string, steps: number, { batch, seq, threads }: Recipe): number | undefined {
  const script = join(__dirname, 'train.py')
  const args = [script, model, ...[steps, batch, seq, threads].map(String)]
  const { status, stdout } = spawnSync('python3', args, { encoding: 'utf8' })
  return status === 0 ? Number(stdout) : undefined
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { steps: { type: 'string', default: '60' } }
  })
  const steps = Number(values.steps)
  for (const recipe of RECIPES.filter((r) => positionals.length === 0 || positionals.includes(r.name))) {
    const out = mkdtempSync(join(tmpdir(), 'bench-train-'))
    const speeds: number[] = []
    const tokens = steps * recipe.batch * recipe.seq
    await pretrain({ ...recipe, tokens }, worldTexts(recipe), {
      out,
      resume: false,
      reportEvery: 10,
      onProgress: (p) => speeds.push(p.tokensPerSecond)
    })
    const other = pytorch(out, Math.min(steps, 20), recipe)
    rmSync(out, { recursive: true })
    // The first steps open sessions and fill pools.
    const steady = speeds.slice(1).sort((a, b) => a - b)
    const own = steady[Math.floor(steady.length / 2)]!
    const beside = other === undefined ? 'no PyTorch here' : `PyTorch ${other.toFixed(0)}`
    console.log(`${recipe.name.padEnd(12)} ${own.toFixed(0).padStart(6)} tokens/s   ${beside}`)
  }
}

void main()
