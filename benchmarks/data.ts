import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { findDataset, loadCases } from '../datasets'
import { generateWorld, worldZsre } from '../datasets/world'

/*
 * How fast a large data file is read, and with how much memory: records of the embedded world in zsRE's layout, over and over.
 * `npm run bench:data -- [--records N]`; 250,000 unless said otherwise
 */

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { records: { type: 'string', default: '250000' } } })
  const count = Number(values.records)
  const dir = mkdtempSync(join(tmpdir(), 'bench-data-'))
  try {
    const file = join(dir, 'zsre.json')
    // As long as the official ones, whose records have none of our own questions.
    const records = worldZsre(generateWorld({ seed: 0 }), 'test').map(
      ({ same_first_part_prompts: _, same_last_part_prompts: __, ...r }) => JSON.stringify(r)
    )
    const out = openSync(file, 'w')
    // Piece by piece: what was written is no part of what reading takes.
    for (let i = 0; i < count; i += 1000) {
      const piece = Array.from({ length: Math.min(1000, count - i) }, (_, j) => records[(i + j) % records.length])
      writeSync(out, `${i === 0 ? '[' : ',\n'}${piece.join(',\n')}`)
    }
    writeSync(out, ']')
    closeSync(out)
    const before = process.memoryUsage().rss
    const start = performance.now()
    let cases = 0
    let most = 0
    for await (const _ of loadCases(findDataset('zsre'), file, { onBadRecord: 'fail', seed: 0 }))
      if (++cases % 1000 === 0) most = Math.max(most, process.memoryUsage().rss)
    const seconds = (performance.now() - start) / 1000
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
    console.log(
      `${cases} records (${mb(statSync(file).size)}) in ${seconds.toFixed(1)} s; ${mb(most)} at most, ${mb(before)} before`
    )
  } finally {
    rmSync(dir, { recursive: true })
  }
}

void main()
