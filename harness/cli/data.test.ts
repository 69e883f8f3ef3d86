import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../package-root'
import { useProgram } from './program.testing'

/** Commands about data, end to end. */

const { bench, config, inFolder } = useProgram()
const sample = (file: string) => join(packageRoot(), 'datasets', file)

describe('bench data check', () => {
  it('says what a file is and what is in it: exit code 0 when nothing is wrong', async () => {
    const { code, stdout } = await bench('data', 'check', sample('mquake/sample/mquake.json'))
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^mquake\.json: MQuAKE, princeton-nlp\/MQuAKE's layout\n2 records, 2 cases, 3 edits of 3 subjects\n/
    )
    expect(stdout).toMatch(/^portability\/multi-hop +6$/m)
    expect(stdout).toMatch(/\nnothing is wrong\n$/)
  })

  it('names what may be wrong by line: exit code 1', async () => {
    const [a] = JSON.parse(readFileSync(sample('zsre/sample/zsre.json'), 'utf8'))
    const many = Array.from({ length: 8 }, (_, i) => ({ ...a, alt: `${a.alt} ${i}` }))
    writeFileSync(inFolder('z.json'), many.map((r) => JSON.stringify(r)).join('\n'))
    const { code, stdout } = await bench('data', 'check', 'z.json')
    expect(code).toBe(1)
    expect(stdout).toMatch(/^7 edits of one fact to different answers: /m)
    expect(stdout).toMatch(/^ {2}z\.json:2: zsre-1: /m)
    expect(stdout).toMatch(/^ {2}and 2 more; --all names them$/m)
    const json = JSON.parse((await bench('data', 'check', 'z.json', '--json')).stdout)
    expect(json).toMatchObject({ file: 'z.json', dataset: 'zsre', records: 8 })
    expect(json.findings).toHaveLength(7)
    expect((await bench('data', 'check', 'z.json', '--all')).stdout).toContain('z.json:8: zsre-7')
  })

  it('says which layout is nearest where it is none: exit code 2', async () => {
    writeFileSync(inFolder('x.jsonl'), '{"ent":"tea","pos":[]}')
    const { code, stderr } = await bench('data', 'check', 'x.jsonl')
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /x\.jsonl:1: .*no known layout\n {2}the nearest is SERAC's layout of ConvSent, missing here: neg/
    )
  })

  it('reads Parquet', async () => {
    const file = inFolder('rows.parquet')
    const script = `import('hyparquet-writer').then(({ parquetWriteFile }) => {
      const [r] = JSON.parse(require('fs').readFileSync(${JSON.stringify(sample('mquake/sample/remastered.json'))}))
      const columnData = Object.entries(r).map(([name, v]) => ({ name, data: [v, v], ...(typeof v === 'object' ? { type: 'JSON' } : {}) }))
      parquetWriteFile({ filename: ${JSON.stringify(file)}, columnData })
    })`
    const made = spawnSync(process.execPath, ['-e', script], { cwd: packageRoot(), encoding: 'utf8' })
    expect(made.stderr).toBe('')
    const { code, stdout } = await bench('data', 'check', file)
    expect(code).toBe(1)
    expect(stdout).toMatch(/MQuAKE-Remastered on Hugging Face\n2 records, 2 cases, 2 edits of 1 subjects/)
    expect(stdout).toMatch(/rows\.parquet:2: mquake-2 as mquake-2/)
  })
})

describe('a sequence with general ability', () => {
  it('asks it at every checkpoint, beside the edits so far, and says what it came to', async () => {
    const text = `models: [gptj-mini]
methods: [{ name: ft-m, hyperparameters: { num_steps: 3 } }]
datasets: [{ name: convsent }]
protocols: [{ sequential: 4, ask_after: [2] }]
general_ability: { texts: world, choices: mine.jsonl }
`
    writeFileSync(inFolder('mine.jsonl'), '{"query":"The zebra eats","choices":["fish","seeds"],"gold":1}\n')
    const { code, stdout, stderr } = await bench('run', config(text), '--out', 'runs', '--json')
    expect([stderr.includes('error'), code]).toEqual([false, 0])
    const { run, results } = JSON.parse(stdout)
    const end = results.find((r: { protocol: string }) => r.protocol.endsWith('asked at the end'))
    expect(end.retention.map((r: { after: number }) => r.after)).toEqual([2, 4])
    for (const { measures } of end.retention) {
      expect(measures['right choices']).toBe(1)
      expect(measures['bits a byte']).toBeGreaterThan(0)
      expect(measures['KL of general text']).toBeGreaterThan(0)
    }
    const page = readFileSync(inFolder('runs', 'report', 'runs', `${run}.html`), 'utf8')
    expect(page).toContain('<th scope="col">General text: bits a byte</th>')
    const answers = readFileSync(inFolder('runs', 'report', 'runs', `${run}.answers.csv`), 'utf8')
    expect(answers.match(/,general-text-0,locality,general-text,/g)).toHaveLength(2)
  }, 120_000)

  it('is refused where it would never be asked', async () => {
    const text =
      'models: [gptj-mini]\nmethods: [{ name: ft-m }]\ndatasets: [{ name: zsre }]\ngeneral_ability: { texts: world }\n'
    const { code, stderr } = await bench('check', config(text))
    expect(code).toBe(2)
    expect(stderr).toMatch(/my\.yaml:4: general ability is asked at the checkpoints of a sequence, and there is none/)
  })
})

describe('bench data show', () => {
  it('shows what is edited and asked', async () => {
    const { code, stdout } = await bench('data', 'show', 'hallucination')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^hallucination-0, embedded world, record 1\n {2}All about .* → .*subject: /)
    expect(stdout).toMatch(/^locality\/accurate-sentence /m)
    const source = sample('mquake/sample/mquake.json')
    const one = JSON.parse((await bench('data', 'show', 'mquake', '--source', source, '--json')).stdout)
    expect(one.requests).toHaveLength(1)
    expect((await bench('data', 'show', 'mquake', '--source', source, '--case', one.id)).stdout).toContain(
      one.requests[0].target
    )
  })

  it('says that there is no such case, dataset, or embedded version', async () => {
    const complaint = async (...args: string[]) => {
      const { code, stderr } = await bench('data', 'show', ...args)
      expect(code).toBe(2)
      return stderr
    }
    expect(await complaint('zsre', '--case', 'zsre-99999')).toMatch(/zsre: there is no case 'zsre-99999'/)
    expect(await complaint('zsr')).toMatch(/unknown dataset 'zsr', did you mean 'zsre'/)
    expect(await complaint('wikidata-recent')).toMatch(/the embedded world has no WikiData_recent\n.*KnowEdit/)
  })
})
