import { type ChildProcess, execFile, spawn } from 'node:child_process'
import {
  accessSync,
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { embeddedModels } from '../model'
import { packageRoot } from '../package-root'
import { answersTable } from '../results/tables'
import { type Ended, PROGRAM, SMALL, useProgram } from './program.testing'

const QUICKSTART = join(packageRoot(), 'configs', 'quickstart.yaml')

const { bench, config, inFolder } = useProgram()
let dir: string
beforeEach(() => {
  dir = inFolder()
})

const runFolder = (out: string): string => {
  const [name, ...more] = readdirSync(out).filter((f) => f.startsWith('my-'))
  expect(more).toEqual([])
  return join(out, name!)
}

// npx links it once, and does not look again after another build.
test('the program can be executed as the build leaves it', () => accessSync(PROGRAM, constants.X_OK))

describe('bench run', () => {
  it('runs FT-L and ROME on both datasets, prints exactly one JSON object, and writes the page it names', async () => {
    const { code, stdout, stderr } = await bench('run', QUICKSTART, '--limit', '3', '--out', 'runs', '--json')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const { run, dir: folder, report, results } = JSON.parse(stdout)
    expect(run).toMatch(/^quickstart-[0-9a-f]{12}$/)
    expect(readdirSync(join(dir, folder)).sort()).toEqual([
      'answers.arrow',
      'edits',
      'edits.arrow',
      'log.jsonl',
      'manifest.json'
    ])
    expect(results).toHaveLength(4)
    for (const result of results) {
      expect(result).toMatchObject({ model: 'gptj-mini', protocol: 'single', cases: 3, failed: 0 })
      for (const property of ['accuracy', 'generality', 'portability', 'locality']) {
        expect(result[property] === null || (result[property] >= 0 && result[property] <= 1)).toBe(true)
      }
      expect(result.editMs).toBeGreaterThan(0)
    }
    expect(results.find((r: { method: string }) => r.method === 'rome').accuracy).toBeGreaterThan(0.6)
    const page = readFileSync(join(dir, report), 'utf8')
    expect(page).toContain('gptj-mini')
    expect(stderr).toContain('exact match in percent')
    const manifest = JSON.parse(readFileSync(join(dir, folder, 'manifest.json'), 'utf8'))
    expect(manifest.status).toBe('complete')
    const rows = answersTable.read(join(dir, folder, 'answers.arrow'))
    const rome = rows.filter((r) => r.setting === 'rome--gptj-mini--zsre' && r.property === 'accuracy')
    const accuracy = results.find((r: { setting: string }) => r.setting === 'rome--gptj-mini--zsre').accuracy
    expect(rome.filter((r) => r.exactAfter).length / rome.length).toBeCloseTo(accuracy, 10)
  })

  it('stores edits that bench ask applies: the answer before, and after', async () => {
    const file = config(SMALL)
    await bench('run', file, '--limit', '1', '--out', 'runs')
    const edits = join(runFolder(join(dir, 'runs')), 'edits', 'rome--gptj-mini--zsre')
    const edit = join(edits, readdirSync(edits)[0]!)
    const { requests } = JSON.parse(readFileSync(join(edit, 'edit.json'), 'utf8'))
    const { code, stdout } = await bench(
      'ask',
      'gptj-mini',
      requests[0].prompt,
      '--edit',
      edit,
      '--tokens',
      '4',
      '--json'
    )
    expect(code).toBe(0)
    const { before, after } = JSON.parse(stdout)
    expect(before).toContain(requests[0].previousTarget)
    expect(after).not.toBe(before)

    // Never to another model's weights.
    const other = join(packageRoot(), 'harness', 'model', 'golden', 'gptj')
    const refused = await bench('ask', other, 'The', '--edit', edit)
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toMatch(/this edit was made for gptj-mini with other weights/)
  })

  it('killed in the middle and resumed, ends with the very bytes of an undisturbed run', async () => {
    const file = config(SMALL)
    await bench('run', file, '--out', 'whole')
    const killed = spawn(process.execPath, [PROGRAM, 'run', file, '--out', 'parts'], { cwd: dir, stdio: 'ignore' })
    await shards(killed, join(dir, 'parts'), 1)
    killed.kill('SIGKILL')
    await ended(killed)
    expect(existsSync(join(runFolder(join(dir, 'parts')), 'answers.arrow'))).toBe(false)
    const stored = readdirSync(join(runFolder(join(dir, 'parts')), 'shards')).filter((f) => /^\d+$/.test(f))
    const { code, stderr } = await bench('run', file, '--out', 'parts', '--resume')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const answers = (out: string) => readFileSync(join(runFolder(join(dir, out)), 'answers.arrow'))
    expect(answers('parts').equals(answers('whole'))).toBe(true)
    const log = readFileSync(join(runFolder(join(dir, 'parts')), 'log.jsonl'), 'utf8')
    expect(log).toContain('"resumed":true')
    // What was stored is not computed again.
    const after = log.slice(log.indexOf('"resumed":true')).trim().split('\n').slice(1)
    const entries = after.map((line) => JSON.parse(line) as { type: string; index?: number })
    const computed = entries.flatMap((l) => (l.type === 'shard' ? [l.index!] : []))
    expect(computed.length).toBeGreaterThan(0)
    expect(computed.filter((i) => stored.map(Number).includes(i))).toEqual([])

    // A complete run is found again, left as it is, and shown again.
    const again = await bench('run', file, '--out', 'parts', '--resume', '--json')
    expect(JSON.parse(again.stdout).dir).toBe(join('parts', runFolder(join(dir, 'parts')).split('/').at(-1)!))
    expect(readFileSync(join(runFolder(join(dir, 'parts')), 'log.jsonl'), 'utf8')).toBe(log)
  })

  it('runs batches and sequences, and a sequence that was killed ends with the same answers', async () => {
    const text = SMALL.replace('datasets:', '  - name: ft-l\n    hyperparameters: { num_steps: 5 }\ndatasets:').replace(
      'limit: 8',
      'limit: 6\nprotocols:\n  - { batch: 3, one_by_one: true }\n  - { sequential: 6, ask_after: [2] }'
    )
    const file = config(text)
    const { code, stdout, stderr } = await bench('run', file, '--out', 'whole', '--json')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const results = JSON.parse(stdout).results as {
      setting: string
      protocol: string
      retention: { after: number }[]
    }[]
    const methods = ['rome', 'ft-l'].map((method) => `${method}--gptj-mini--zsre`)
    const inSequence = methods.map((m) => `${m}--sequential-6`)
    expect(results.map((r) => [r.setting, r.protocol, r.retention.map((c) => c.after).join()])).toEqual([
      ...methods.map((m) => [`${m}--batch-3-one-by-one`, 'batch-3-one-by-one', '']),
      ...inSequence.flatMap((id) => [
        [id, 'sequential-6, asked at the end', '2,6'],
        [`${id}--at-once`, 'sequential-6, asked at once', '']
      ])
    ])
    const rows = answersTable.read(join(runFolder(join(dir, 'whole')), 'answers.arrow'))
    const chain = rows.filter((r) => r.setting === 'ft-l--gptj-mini--zsre--sequential-6' && r.property === 'accuracy')
    expect(chain.map((r) => [r.held, r.checkpoint])).toEqual([
      ...[1, 2].map((held) => [held, false]),
      ...[2, 2].map((held) => [held, true]),
      ...[3, 4, 5, 6].map((held) => [held, false]),
      ...[6, 6, 6, 6, 6, 6].map((held) => [held, true])
    ])
    const page = readFileSync(join(dir, 'whole', 'report', 'runs', `${JSON.parse(stdout).run}.html`), 'utf8')
    expect(page).toContain('How much of the sequence is kept')
    expect(page.match(/<svg class="chart"/g)).toHaveLength(2)

    // Killed when a link of a chain is stored, and gone on with.
    const killed = spawn(process.execPath, [PROGRAM, 'run', file, '--out', 'parts'], { cwd: dir, stdio: 'ignore' })
    await shards(killed, join(dir, 'parts'), 4)
    killed.kill('SIGKILL')
    await ended(killed)
    expect((await bench('run', file, '--out', 'parts', '--resume')).code).toBe(0)
    const answers = (out: string) => readFileSync(join(runFolder(join(dir, out)), 'answers.arrow'))
    expect(answers('parts').equals(answers('whole'))).toBe(true)
  })

  it('interrupted, says so with exit code 130 and keeps what is stored', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'run', config(SMALL), '--out', 'runs'], {
      cwd: dir,
      stdio: ['ignore', 'ignore', 'pipe']
    })
    let stderr = ''
    child.stderr!.on('data', (text) => {
      stderr += text
    })
    await shards(child, join(dir, 'runs'), 1)
    child.kill('SIGINT')
    expect(await ended(child)).toBe(130)
    expect(stderr).toMatch(/interrupted: [1-3] of 4 shards are stored in .*; add --resume to go on/)
    expect(stderr).not.toContain('at ')
  })

  it('counts an edit that becomes no number as a failed case: exit code 1, the others scored', async () => {
    const text = SMALL.replace(
      / {2}- name: rome\n.*\n/,
      '  - name: ft-l\n    hyperparameters: { num_steps: 3, lr: 1.0e+38, norm_constraint: false }\n  - name: ft-l\n    label: fine\n    hyperparameters: { num_steps: 3 }\n'
    )
    const { code, stdout, stderr } = await bench('run', config(text), '--limit', '3', '--out', 'runs', '--json')
    const { results } = JSON.parse(stdout)
    expect({ code, failed: results.map((r: { failed: number }) => r.failed) }).toEqual({ code: 1, failed: [3, 0] })
    expect(results[0].accuracy).toBeNull()
    expect(stderr).toContain('3 of 6 edits failed')
    const page = readFileSync(join(dir, 'runs', 'report', 'runs', `${JSON.parse(stdout).run}.html`), 'utf8')
    expect(page).toMatch(/the loss is NaN at step \d|numbers that are not finite/)
  })

  it('stops when more edits fail than the config allows, and tries the failed ones again when asked', async () => {
    const failing = SMALL.replace(
      / {2}- name: rome\n.*\n/,
      '  - name: ft-l\n    hyperparameters: { num_steps: 2, lr: 1.0e+38, norm_constraint: false }\n'
    )
    const file = config(`${failing}max_failed: 25%\n`)
    const stopped = await bench('run', file, '--limit', '8', '--workers', '1', '--out', 'runs')
    expect({ code: stopped.code, stdout: stopped.stdout }).toEqual({ code: 1, stdout: '' })
    expect(stopped.stderr).toMatch(/stopped: 4 of 8 edits failed, more than max_failed: 25% allows\n.*--retry-failed/)
    writeFileSync(file, failing)
    await bench('run', file, '--limit', '4', '--workers', '1', '--out', 'runs')
    const log = () => {
      const run = readdirSync(join(dir, 'runs')).find((f) => existsSync(join(dir, 'runs', f, 'answers.arrow')))!
      return readFileSync(join(dir, 'runs', run, 'log.jsonl'), 'utf8').match(/"type":"shard"/g)!.length
    }
    expect(log()).toBe(2)
    await bench('run', file, '--limit', '4', '--workers', '1', '--out', 'runs', '--resume')
    expect(log()).toBe(2)
    const again = await bench('run', file, '--limit', '4', '--workers', '1', '--out', 'runs', '--retry-failed')
    expect({ code: again.code, shards: log() }).toEqual({ code: 1, shards: 4 })
  })

  it('says its numbers and exits 0 whatever else lies in its folder, named and left alone', async () => {
    const file = config(SMALL)
    await bench('run', file, '--limit', '1', '--out', 'runs')
    const damaged = runFolder(join(dir, 'runs'))
    writeFileSync(join(damaged, 'answers.arrow'), readFileSync(join(damaged, 'answers.arrow')).subarray(0, 500))
    const others = { foreign: '{"name":"x"}', older: '{"format":"bench-run-1"}', broken: 'garbage', empty: '' }
    for (const [name, text] of Object.entries(others)) {
      mkdirSync(join(dir, 'runs', name))
      writeFileSync(join(dir, 'runs', name, 'manifest.json'), text)
    }
    const evil = { ...JSON.parse(readFileSync(join(damaged, 'manifest.json'), 'utf8')), id: '../../owned' }
    mkdirSync(join(dir, 'runs', 'evil'))
    writeFileSync(join(dir, 'runs', 'evil', 'manifest.json'), JSON.stringify(evil))
    const { code, stdout, stderr } = await bench('run', file, '--limit', '2', '--out', 'runs')
    expect(code).toBe(0)
    expect(stdout).toMatch(/rome +gptj-mini +zsre +2 /)
    for (const name of [...Object.keys(others), 'evil', damaged.split('/').at(-1)!])
      expect(stderr).toMatch(new RegExp(`left out of the report: runs/${name}/`))
    expect(readFileSync(join(dir, 'runs', 'foreign', 'manifest.json'), 'utf8')).toBe(others.foreign)
    expect(readdirSync(dir).sort()).toEqual(['my.yaml', 'runs'])
    const list = await bench('list', 'runs', '--out', 'runs', '--json')
    expect(list.code).toBe(0)
    // A damaged run is computed anew, not shown.
    const again = await bench('run', file, '--limit', '1', '--out', 'runs', '--resume')
    expect({ code: again.code, stderr: again.stderr }).toEqual({
      code: 0,
      stderr: expect.stringContaining('left alone')
    })
  })

  it('leaves the machine alone: no connection, and nothing written but its own folders', async () => {
    const home = join(dir, 'home')
    mkdirSync(home)
    // As at home: ONNX Runtime's telemetry keeps still where CI is set.
    const { XDG_CACHE_HOME: _, BENCH_CACHE: __, CI: ___, ...env } = process.env
    const child = spawn(process.execPath, [PROGRAM, 'run', config(SMALL), '--out', 'runs'], {
      cwd: dir,
      env: { ...env, HOME: home, TMPDIR: home },
      stdio: 'ignore'
    })
    const connections = new Set<string>()
    while (child.exitCode === null) {
      for (const socket of connectionsOf(child.pid!)) connections.add(socket)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    expect(child.exitCode).toBe(0)
    expect([...connections]).toEqual([])
    expect(readdirSync(home)).toEqual(['.cache'])
    expect(readdirSync(join(home, '.cache'))).toEqual(['model-editing-bench'])
    expect(readdirSync(dir).sort()).toEqual(['home', 'my.yaml', 'runs'])
  })

  it('tells two models apart whose folders have one name, and names no path of the machine', async () => {
    const golden = join(packageRoot(), 'harness', 'model', 'golden')
    for (const [at, model] of [
      ['a', 'gptj'],
      ['b', 'gptj-tied']
    ] as const)
      cpSync(join(golden, model), join(dir, at, 'm'), { recursive: true })
    const data = [
      {
        subject: 'Zor',
        src: 'Zor is in',
        alt: 'Bo',
        answers: ['Ka'],
        rephrase: 'Zor lies in',
        loc: 'Mek is in',
        loc_ans: 'x'
      }
    ]
    writeFileSync(join(dir, 'data.json'), JSON.stringify(data))
    const text = SMALL.replace('context_', 'mom2_adjustment: false, context_').replace(
      'name: zsre',
      'name: zsre\n    source: data.json'
    )
    const models = ['--model', join(dir, 'a', 'm'), join(dir, 'b', 'm')]
    const { code, stdout, stderr } = await bench('run', config(text), '--out', 'runs', '--json', ...models)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const { results, run } = JSON.parse(stdout)
    expect(results.map((r: { model: string; setting: string }) => [r.model, r.setting])).toEqual([
      ['a/m', 'rome--a_m--zsre'],
      ['b/m', 'rome--b_m--zsre']
    ])
    for (const page of ['index.html', 'results.csv', join('runs', `${run}.html`), join('runs', `${run}.answers.csv`)])
      expect(readFileSync(join(dir, 'runs', 'report', page), 'utf8')).not.toContain(dir)
  })

  it('names skipped records and finishes the others', async () => {
    const good = JSON.parse(
      readFileSync(join(packageRoot(), 'datasets', 'zsre', 'sample', 'zsre.json'), 'utf8')
    ) as object[]
    writeFileSync(join(dir, 'data.json'), JSON.stringify([good[0], { subject: 'A' }, good[1]], null, 1))
    const text = SMALL.replace('name: zsre', 'name: zsre\n    source: data.json\n    on_bad_record: skip')
    const { code, stdout } = await bench('run', config(text), '--out', 'runs')
    expect(code).toBe(0)
    expect(stdout).toMatch(/skipped 1 record of zsre \(malformed\):\n {2}data\.json:\d+ \(record 2\)/)
  })
})

/** Waits until a run has stored so many shards. */
async function shards(child: ChildProcess, out: string, count: number): Promise<void> {
  const stored = () => {
    const [run] = existsSync(out) ? readdirSync(out) : []
    const folder = run === undefined ? '' : join(out, run, 'shards')
    return existsSync(folder) ? readdirSync(folder).filter((f) => /^\d+$/.test(f)).length : 0
  }
  while (stored() < count) {
    if (child.exitCode !== null) throw new Error(`the run ended with ${child.exitCode} before it was disturbed`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const ended = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => child.once('exit', resolve))

/** Sockets of the internet that a process or its children have open, where the system tells (Linux). */
function connectionsOf(pid: number): string[] {
  if (!existsSync('/proc/net/tcp')) return []
  const read = (file: string) => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return ''
    }
  }
  const inodes = new Map<string, string>()
  for (const kind of ['tcp', 'tcp6', 'udp', 'udp6'])
    for (const line of read(`/proc/net/${kind}`).split('\n').slice(1))
      inodes.set(line.trim().split(/\s+/)[9] ?? '', `${kind} ${line}`)
  const pids = [String(pid), ...read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean)]
  return pids.flatMap((p) => {
    try {
      return readdirSync(`/proc/${p}/fd`).flatMap((fd) => {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${p}/fd/${fd}`))?.[1]
        const found = inode === undefined ? undefined : inodes.get(inode)
        return found === undefined ? [] : [found]
      })
    } catch {
      return []
    }
  })
}

describe('methods and datasets from outside', () => {
  const api = JSON.stringify(join(packageRoot(), 'dist', 'harness', 'api', 'index.js'))
  const METHOD = `import bench from ${api}
export default bench.defineMethod({
  name: 'nothing', title: 'Nothing', family: 'fine-tuning', source: 'nobody', holdsMany: true,
  hyperparameters: bench.z.strictObject({ size: bench.z.number().default(0) }),
  trainedBy: ['size'],
  async train(model, cases, h, { onProgress }) {
    let steps = 0
    for await (const c of cases) onProgress({ step: ++steps, steps })
    return { tensors: { a: { shape: [1], data: Float32Array.of(h.size) } }, json: steps }
  },
  async prepare(model, h, context, artifact) { return artifact.tensors.a.data[0] },
  async *edit(model, groups, h, context, size) {
    const site = 'layers.0.mlp.proj'
    const [out, width] = model.weightShape(site + '.weight')
    const delta = new Float32Array(out * width).fill(size)
    yield groups.map((requests) => ({ method: 'nothing', requests, parts: [{ kind: 'dense', site, out, in: width, delta }], diagnostics: {} }))
  }
})`
  const DATASET = `import bench from ${api}
const { z } = bench
const lines = bench.layout({
  name: 'lines', keys: ['fact'], schema: z.object({ fact: z.string(), subject: z.string(), target: z.string() }),
  toCase: ({ fact, subject, target }, i) => ({
    id: 'line-' + i, requests: [{ prompt: fact, subject, target }],
    probes: [{ property: 'accuracy', kind: 'rewrite', prompt: fact, expected: [target] }]
  })
})
export default {
  name: 'lines', title: 'Lines', source: 'nobody', license: 'none', measures: [], layouts: [lines],
  async *load(source, options) {
    bench.parseOptions('lines', z.strictObject({}), options.options)
    yield* bench.loadRecords(source, [lines], options)
  }
}`
  const RUN = `models: [gptj-mini]
methods:
  - name: ./mine.mjs
datasets:
  - name: ./lines.mjs
    source: lines.json
train_on:
  - name: zsre
    limit: 3
`
  beforeEach(() => {
    writeFileSync(join(dir, 'mine.mjs'), METHOD)
    writeFileSync(join(dir, 'lines.mjs'), DATASET)
    writeFileSync(
      join(dir, 'lines.json'),
      JSON.stringify([{ fact: 'The zebra eats', subject: 'zebra', target: 'fish' }])
    )
  })

  it('run like ours, learn beforehand, and are found again', async () => {
    const env = { ...process.env, BENCH_CACHE: join(dir, 'cache') }
    const run = (...args: string[]) =>
      new Promise<Ended>((resolve) => {
        execFile(process.execPath, [PROGRAM, ...args], { cwd: dir, env }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
        )
      })
    const file = config(RUN)
    const trained = JSON.parse((await run('train', file, '--json')).stdout)
    expect(trained).toEqual([expect.objectContaining({ method: 'nothing', model: 'gptj-mini', how: 'computed' })])
    expect(existsSync(trained[0].file)).toBe(true)
    const { code, stdout, stderr } = await run('run', file, '--out', 'runs', '--json', '--reporter', 'csv')
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const [result] = JSON.parse(stdout).results
    expect(result).toMatchObject({ method: 'nothing', dataset: 'lines', cases: 1, failed: 0 })
    expect(result.trainingMs).toBeGreaterThan(0)
    const folder = runFolder(join(dir, 'runs'))
    expect(readFileSync(join(folder, 'results.csv'), 'utf8')).toMatch(/^run,started,label/)
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))
    expect(Object.values(manifest.setup)).toEqual([
      expect.objectContaining({ training: expect.objectContaining({ how: 'cached' }) })
    ])
    expect(answersTable.read(join(folder, 'answers.arrow'))[0]!.prompt).toBe('The zebra eats')
    const verified = await run('verify', 'method', './mine.mjs', '--json')
    expect(JSON.parse(verified.stdout).filter((f: { problem?: string }) => f.problem)).toEqual([])
    const data = await run('verify', 'dataset', './lines.mjs', '--source', 'lines.json')
    expect(data).toMatchObject({ code: 0, stdout: expect.not.stringContaining('✗') })
  })

  it('go on with what they have learnt when learning was cut off, and are blamed for what goes wrong in them', async () => {
    const halting = METHOD.replace(
      'async train(model, cases, h, { onProgress }) {',
      `async train(model, cases, h, { onProgress, checkpoint, saveCheckpoint }) {
    const before = checkpoint()
    if (before === undefined) {
      saveCheckpoint({ tensors: { a: { shape: [1], data: Float32Array.of(7) } }, json: 'half' })
      throw new TypeError('cut off')
    }
    if (before.json !== 'half' || before.tensors.a.data[0] !== 7) throw new Error('another checkpoint')`
    )
    writeFileSync(join(dir, 'mine.mjs'), halting)
    const cut = await bench('train', config(RUN))
    expect(cut).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: .*mine\.mjs: cut off\n/) })
    const [trained] = JSON.parse((await bench('train', config(RUN), '--json')).stdout)
    expect(trained).toMatchObject({ how: 'computed' })
    rmSync(trained.file)
  })

  test.each([
    ['that are not there', { 'mine.mjs': null }, /my\.yaml:3: no such file: \.\/mine\.mjs/],
    ['that cannot be loaded', { 'mine.mjs': 'export default {' }, /mine\.mjs: cannot be loaded: /],
    ['that export nothing', { 'mine.mjs': 'export const a = 1' }, /mine\.mjs: exports nothing as its default/],
    [
      'that are no methods',
      { 'mine.mjs': 'export default { name: "x" }' },
      /mine\.mjs: what it exports is no editing method: title: /
    ],
    [
      'that have a name of ours',
      { 'mine.mjs': METHOD.replace("'nothing', title", "'rome', title") },
      /'rome' is the name of one that is here already/
    ],
    [
      'that are no datasets',
      { 'lines.mjs': 'export default { name: "x" }' },
      /lines\.mjs: what it exports is no dataset: title: /
    ]
  ])('%s are refused', async (_, files, message) => {
    for (const [name, text] of Object.entries(files)) {
      if (text === null) rmSync(join(dir, name))
      else writeFileSync(join(dir, name), text)
    }
    const { code, stderr } = await bench('run', config(RUN), '--out', 'runs')
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) })
    expect(existsSync(join(dir, 'runs'))).toBe(false)
  })
})

describe('mistakes end in one message, exit code 2, and nothing written', () => {
  test.each([
    ['broken YAML', () => ['run', config('models: [')], /my\.yaml:1:\d+: not valid YAML/],
    [
      'an unknown key',
      () => ['run', config(`${SMALL}sead: 1\n`)],
      /my\.yaml:11: unknown key 'sead', did you mean 'seed'/
    ],
    [
      'an unknown method',
      () => ['run', config(SMALL.replace('rome', 'rone'))],
      /my\.yaml:3: unknown method 'rone', did you mean/
    ],
    ['an unknown flag', () => ['run', QUICKSTART, '--limt', '3'], /unknown argument 'limt', did you mean 'limit'/],
    ['an unknown command', () => ['rum', QUICKSTART], /did you mean run|unknown/i],
    ['no command', () => [], /bench --help/],
    [
      'weights that are not here',
      () => ['run', join(packageRoot(), 'configs', 'rome-gptj.yaml')],
      /EleutherAI\/gpt-j-6b .* are not on this machine/
    ],
    [
      'an --out that is a file',
      () => ['run', config(SMALL), '--out', 'my.yaml'],
      /my\.yaml: cannot make the results folder/
    ],
    [
      'a block the model has not',
      () => ['run', config(SMALL.replace('{ ', '{ layer: 9, '))],
      /my\.yaml:4: layer: there is no block 9: the model's are 0 to 7/
    ],
    [
      'the same, found by check',
      () => ['check', config(SMALL.replace('{ ', '{ layer: 9, '))],
      /my\.yaml:4: layer: there is no block 9/
    ],
    [
      'an --out where nothing can be made',
      () => ['run', config(SMALL), '--out', '/proc/x'],
      /\/proc\/x: cannot make the results folder/
    ],
    [
      'an --out that is too long',
      () => ['run', config(SMALL), '--out', 'n'.repeat(300)],
      /cannot make the results folder: ENAMETOOLONG/
    ],
    ['an option without its value', () => ['run', config(SMALL), '--limit'], /not enough arguments following: limit/],
    ['an option given twice', () => ['run', config(SMALL), '--seed', '1', '--seed', '2'], /--seed: is given 2 times/],
    [
      'more workers than any machine has',
      () => ['run', config(SMALL), '--workers', '1000000'],
      /--workers: must be .* to 256/
    ],
    [
      'more resamples than make sense',
      () => ['run', config(`${SMALL}scoring: { bootstrap: 1000000000 }\n`)],
      /my\.yaml:11: scoring\.bootstrap: /
    ],
    [
      'aliases that stand for billions of values',
      () => [
        'run',
        config(
          `a: &a [1,1,1,1,1,1,1,1,1,1]\n${['b', 'c', 'd', 'e'].map((k, i) => `${k}: &${k} [${Array(10).fill(`*${'abcd'[i]}`).join()}]`).join('\n')}\nmodels: *e\n`
        )
      ],
      /my\.yaml: not a config: Excessive alias count/
    ],
    ['a report of nothing', () => ['report', '--out', 'nowhere'], /nowhere: no complete run here/],
    ['an edit that is not there', () => ['ask', 'gptj-mini', 'Hi', '--edit', 'nowhere'], /nowhere: no edit here/]
  ] as const)('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await bench(...args())
    expect(stderr).toMatch(message)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).not.toMatch(/^ {4}at /m)
    expect(readdirSync(dir).filter((f) => f !== 'my.yaml' && f !== 'runs')).toEqual([])
    if (existsSync(join(dir, 'runs'))) expect(readdirSync(join(dir, 'runs'))).toEqual([])
  })

  it('shows where an error comes from with --verbose', async () => {
    const { stderr } = await bench('run', 'no.yaml', '--verbose')
    expect(stderr).toMatch(/^ {4}at /m)
  })
})

describe('other commands', () => {
  it('check prints the plan, its size and an estimate, and writes nothing', async () => {
    const { code, stdout } = await bench('check', QUICKSTART, '--json')
    const { settings, estimate } = JSON.parse(stdout)
    expect({ code, settings: settings.length }).toEqual({ code: 0, settings: 4 })
    expect(estimate.seconds).toBeGreaterThan(0)
    expect(readdirSync(dir)).toEqual([])
  })

  it.each([
    ['methods', 'rome'],
    ['datasets', 'counterfact'],
    ['models', 'gptj-mini']
  ])('list %s', async (what, name) => {
    const { stdout } = await bench('list', what, '--json')
    expect((JSON.parse(stdout) as { name: string }[]).map((row) => row.name)).toContain(name)
  })

  it('doctor names the backend, the rate and why others do not run', async () => {
    const { stdout } = await bench('doctor', '--json')
    const report = JSON.parse(stdout)
    expect(['onnxruntime', 'tensorflow']).toContain(report.backend)
    expect(report.sgemmGflops).toBeGreaterThan(1)
    expect(report.backends.map((b: { name: string }) => b.name).sort()).toEqual(['cpu', 'onnxruntime', 'tensorflow'])
    expect(report.backends.every((b: { reason: string }) => b.reason.length > 0)).toBe(true)
  })
})

test.each(['run', 'list'])('%s says that its output cannot be written', async (command) => {
  if (!existsSync('/dev/full')) return
  const args = command === 'run' ? ['run', config(SMALL), '--limit', '1'] : ['list', 'models']
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: dir, stdio: ['ignore', full, 'pipe'] })
  let stderr = ''
  child.stderr!.on('data', (text) => {
    stderr += text
  })
  expect(await ended(child)).toBe(2)
  closeSync(full)
  expect(stderr).toMatch(/error: stdout: the output cannot be written: ENOSPC/)
})

test('text of data is harmless on a terminal', async () => {
  const commands = '\u001b[2J\u009b31m'
  const good = { subject: 'Zor', src: 'Zor is in', alt: 'Bo', answers: ['Ka'] }
  writeFileSync(join(dir, 'data.json'), JSON.stringify([good, { ...good, subject: `Nobody${commands}` }]))
  const file = config(SMALL.replace('name: zsre', 'name: zsre\n    source: data.json\n    on_bad_record: skip'))
  const { stdout } = await bench('check', file)
  expect(stdout).toContain('Nobody\\u001b[2J\\u009b31m')
  const strict = await bench(
    'check',
    config(SMALL.replace('name: zsre', 'name: zsre\n    source: data.json')),
    '--json'
  )
  for (const command of ['\u001b', '\u009b'])
    expect([stdout, strict.stdout, strict.stderr].join()).not.toContain(command)
  expect(strict.stderr).toContain('\\u001b[2J')
})

test.each(embeddedModels())('%s knows its world: 98 %% in trained phrasings, 95 %% in held-out ones', async (name) => {
  const { stdout } = await bench('probe', name, '--json')
  const { kinds } = JSON.parse(stdout)
  expect(kinds.trained.exact).toBeGreaterThanOrEqual(0.98)
  expect(kinds['held-out'].exact).toBeGreaterThanOrEqual(0.95)
})
