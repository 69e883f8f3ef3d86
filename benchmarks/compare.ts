import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { compareRuns } from '../harness/compare/compare'
import { readComparedRun } from '../harness/compare/find-run'
import { randomStream } from '../harness/random'
import type { AnswerRow, EditRow } from '../harness/results/rows'
import { answersTable, editsTable } from '../harness/results/tables'

/*
 * How long two runs take to be read and compared, and how much memory that needs.
 * `npm run bench:compare -- [ANSWERS A SIDE…]`; 100,000 and 1,000,000 unless said otherwise
 */

const PROBES = 10

function makeRun(dir: string, answers: number, seed: number): void {
  const random = randomStream(seed, 'bench compare')
  const batches = function* () {
    for (let start = 0; start < answers / PROBES; start += 1000) {
      const rows: AnswerRow[] = []
      for (let i = start; i < Math.min(start + 1000, answers / PROBES); i++)
        for (let probe = 0; probe < PROBES; probe++) {
          const exactAfter = random.uniform() < 0.9
          const about = { setting: 's', caseId: `case-${i}`, probe, kind: 'k', expected: 'grass' }
          rows.push({
            ...about,
            property: (['accuracy', 'generality', 'portability', 'locality'] as const)[probe % 4]!,
            prompt: `What does the animal number ${i} eat, asked for the ${probe}th time?`,
            ...{ before: 'seeds', after: exactAfter ? 'grass' : 'seeds', exactBefore: false, exactAfter },
            ...{ longerAfter: false, shareBefore: 0, shareAfter: Number(exactAfter), scores: {}, anyOf: null },
            ...{ held: 1, checkpoint: false }
          })
        }
      yield rows
    }
  }
  const edits = Array.from(
    { length: answers / PROBES },
    (_, i): EditRow => ({
      ...{
        setting: 's',
        caseId: `case-${i}`,
        prompt: `The animal ${i} eats`,
        subject: `animal ${i}`,
        target: 'grass',
        place: ''
      },
      ...{
        facts: 1,
        position: i,
        editMs: 1,
        together: 1,
        flops: 1,
        peakBytes: 1,
        editBytes: 1,
        lossCurve: [],
        diagnostics: '{}',
        error: null
      }
    })
  )
  const files = {
    'answers.arrow': answersTable.write(join(dir, 'answers.arrow'), batches()),
    'edits.arrow': editsTable.write(join(dir, 'edits.arrow'), [edits])
  }
  const setting = {
    ...{ id: 's', label: 'rome', measures: [], scoring: {}, protocol: { kind: 'single', oneByOne: false } },
    method: { name: 'rome', title: '', family: '', source: '', holdsMany: false, hyperparameters: {} },
    model: { name: 'm', hash: '', architecture: '' },
    dataset: { name: 'd', title: '', source: '', hash: '', options: {}, skipped: { malformed: 0, noEdit: 0 } }
  }
  const manifest = {
    ...{
      format: 'bench-run-3',
      id: '',
      name: 'x',
      hash: '',
      status: 'complete',
      startedAt: new Date(0).toISOString(),
      seconds: 0
    },
    ...{ version: '', setup: {}, weights: {}, skipped: [], shards: 1, settings: [setting], files },
    machine: { cpu: '', cores: 1, memoryBytes: 1, platform: '', node: '', backend: '', workers: 1 },
    config: { seed: 0, scoring: { bootstrap: 1000, grading: {} } }
  }
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(manifest))
}

/** Compares two folders, in a process of its own: what it takes is what is asked for. */
function compareThem(dirs: readonly string[]): void {
  const start = performance.now()
  const { verdict } = compareRuns(readComparedRun(dirs[0]!), readComparedRun(dirs[1]!))
  const seconds = (performance.now() - start) / 1000
  const memory = process.resourceUsage().maxRSS / 1e6
  console.log(`${seconds.toFixed(2).padStart(9)} ${`${memory.toFixed(2)} GB`.padStart(10)}   ${verdict}`)
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { folders: { type: 'boolean', default: false } }
})
if (values.folders) compareThem(positionals)
else {
  console.log('answers a side   seconds   largest memory')
  for (const count of positionals.length > 0 ? positionals.map(Number) : [100_000, 1_000_000]) {
    const dirs = [0, 1].map((seed) => {
      const dir = mkdtempSync(join(tmpdir(), 'bench-compare-'))
      makeRun(dir, count, seed)
      return dir
    })
    process.stdout.write(String(count).padStart(14))
    const child = ['-r', 'esbuild-register', __filename, '--folders', ...dirs]
    execFileSync(process.execPath, child, { stdio: 'inherit' })
    for (const dir of dirs) rmSync(dir, { recursive: true })
  }
}
