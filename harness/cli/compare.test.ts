import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { packageRoot } from '../package-root'
import { SMALL, useProgram } from './program.testing'

/** Commands that look at several runs, end to end. */

const { bench, config, inFolder } = useProgram()

describe('bench compare', () => {
  it('lays one run beside another: the same beside itself, worse beside a better one, named case by case', async () => {
    const text = SMALL.replace('rome', 'ft-m')
      .replace(/hyperparameters: .*/, 'hyperparameters: { num_steps: 25 }')
      .replace('limit: 8', 'limit: 12')
    await bench('run', config(text), '--out', 'runs')
    const same = await bench('compare', 'latest', 'latest', '--out', 'runs', '--json')
    expect({ code: same.code, verdict: JSON.parse(same.stdout).verdict }).toEqual({ code: 0, verdict: 'same' })
    await bench('run', config(text.replace('num_steps: 25', 'num_steps: 1')), '--out', 'runs')
    const args = ['compare', 'previous', 'latest', '--out', 'runs']
    const worse = await bench(...args, '--html', 'page.html')
    expect(worse.code).toBe(1)
    expect(worse.stdout).toMatch(/^ft-m on gptj-mini, zsre +accuracy +100\.0 +\d+\.\d .* worse$/m)
    expect(worse.stdout).toMatch(/zsre-\d+ +accuracy \(rewrite\) lost/)
    expect(worse.stdout).toMatch(/time per fact, median +× 0\.\d\d/)
    const page = readFileSync(inFolder('page.html'), 'utf8')
    expect(page).toContain('Answers that flipped')
    expect(page).toMatch(/<tr class="worse">/)
    const markdown = await bench(...args, '--markdown')
    expect(markdown.stdout).toMatch(/^\| setting \| property \|/m)
    const json = JSON.parse((await bench(...args, '--json', '--flips', '1')).stdout)
    expect(json.flips).toHaveLength(1)
    expect(json.flipped.lost).toBeGreaterThan(5)
  })

  it('gates a run: exit code 0 when it keeps what it must, 1 when it does not, with JUnit XML and a summary', async () => {
    const text = SMALL.replace('rome', 'ft-m')
      .replace(/hyperparameters: .*/, 'hyperparameters: { num_steps: 25 }')
      .replace('limit: 8', 'limit: 12')
    await bench('run', config(text), '--out', 'runs')
    const fine = await bench('gate', 'latest', '--baseline', 'latest', '--out', 'runs')
    expect(fine).toMatchObject({ code: 0, stdout: expect.stringMatching(/^✓ all \d+ checks hold/) })
    await bench('run', config(text.replace('num_steps: 25', 'num_steps: 1')), '--out', 'runs')
    writeFileSync(
      inFolder('rules.yaml'),
      'floors:\n  - { label: ft-m, property: accuracy, at_least: 0.9 }\nslowdown: 1000\n'
    )
    const args = ['gate', 'latest', '--out', 'runs', '--rules', 'rules.yaml']
    const worse = await bench(...args, '--junit', 'junit.xml', '--summary', 'summary.md')
    expect(worse.code).toBe(1)
    expect(worse.stdout).toMatch(
      /✗ ft-m on gptj-mini, zsre, single: accuracy fell from 100\.0 % to .*; first: case zsre-\d+, "/
    )
    expect(worse.stdout).toMatch(/✗ ft-m on gptj-mini, zsre, single: accuracy is \d/)
    expect(readFileSync(inFolder('junit.xml'), 'utf8')).toMatch(
      /<testsuites name="bench gate" tests="\d+" failures="\d+"/
    )
    expect(readFileSync(inFolder('summary.md'), 'utf8')).toMatch(/^❌ \d+ of \d+ checks fail\n[\s\S]*\| setting \|/)
    writeFileSync(inFolder('rules.yaml'), 'floor: []\n')
    const mistaken = await bench(...args)
    expect(mistaken).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/rules\.yaml:1: unknown key 'floor', did you mean 'floors'/)
    })
  })

  test.each([
    ['a run that is not there', ['latest', 'my-run'], /runs: no complete run 'latest'|runs: no complete run 'my-run'/],
    ['a significance that is none', ['a', 'b', '--significance', '2'], /--significance: must lie between 0 and 1/],
    ['flips that are no number', ['a', 'b', '--flips', '-1'], /--flips: must be a whole number/]
  ])('refuses %s', async (_, args, message) => {
    const { code, stderr } = await bench('compare', ...args)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) })
  })
})

describe('bench history and bench export', () => {
  const NIGHT = SMALL.replace('rome', 'ft-m').replace('limit: 8', 'limit: 12')
  const night = (steps: number) =>
    bench(
      'run',
      config(NIGHT.replace(/hyperparameters: .*/, `hyperparameters: { num_steps: ${steps} }`)),
      '--out',
      'runs'
    )

  it('lay the same setting over many runs, name the run where it steps and what changed; and write all formats', async () => {
    for (const steps of [25, 25, 1, 1]) expect((await night(steps)).code).toBe(0)
    const { code, stdout } = await bench('history', '--out', 'runs', '--html', 'h.html', '--feed', 'f.xml')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\S+: 4 runs, 20\d\d-\d\d-\d\d to /)
    expect(stdout).toMatch(/^ft-m on gptj-mini, zsre +accuracy +4 +100\.0 .* ██▁▁$/m)
    expect(stdout).toMatch(/accuracy 100\.0 → \d+\.\d % \(\d+ edits lost, 0 won, p .*\); changed: num_steps 25 → 1/)
    expect(readFileSync(inFolder('h.html'), 'utf8')).toMatch(/<line class="mark"/)
    expect(readFileSync(inFolder('f.xml'), 'utf8')).toMatch(/<title>\S+ 20.*: \d worse/)
    const { runs, series } = JSON.parse((await bench('history', '--out', 'runs', '--last', '3', '--json')).stdout)
    expect([runs.length, series[0].points.length]).toEqual([3, 3])
    // The site has the page and the feed too, with links that lead somewhere.
    await bench('report', '--out', 'runs', '--site', 'site')
    const page = readFileSync(inFolder('site', 'history.html'), 'utf8')
    const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, href]) => href!)
    expect(links).toEqual(expect.arrayContaining(['index.html', 'feed.xml', expect.stringMatching(/^runs\/.*\.html$/)]))
    for (const href of links) expect(existsSync(inFolder('site', href))).toBe(true)

    const [last, first] = [runs.at(-1).id as string, runs[0].id as string]
    const markdown = await bench('export', first, last, '--out', 'runs')
    expect(markdown.stdout).toMatch(/^\| ft-m \(num\\_steps 25\) \| \*\*100\.0\*\* \(/m)
    expect((await bench('export', '--out', 'runs', '--format', 'latex')).stdout).toMatch(/\\toprule/)
    for (const file of ['r.csv', 'r.json', 'r.tex', 'r.parquet'])
      expect((await bench('export', '--out', 'runs', '--file', file)).code).toBe(0)
    expect(JSON.parse(readFileSync(inFolder('r.json'), 'utf8'))[0].settings[0].properties.accuracy.edited.cases).toBe(
      12
    )
    const answers = ['export', '--out', 'runs', '--answers']
    expect((await bench(...answers, '--file', 'a.parquet')).code).toBe(0)
    const json = JSON.parse((await bench(...answers, '--format', 'json')).stdout)
    // Read back by the library's own reader.
    const read = `import('hyparquet').then(async (p) => console.log(JSON.stringify(
      await p.parquetReadObjects({ file: await p.asyncBufferFromFile(process.argv[1]) }))))`
    const rowsIn = (file: string) => {
      const args = ['-e', read, inFolder(file)]
      return JSON.parse(spawnSync(process.execPath, args, { cwd: packageRoot(), encoding: 'utf8' }).stdout)
    }
    expect(rowsIn('r.parquet')).toEqual([
      expect.objectContaining({
        run: last,
        label: 'ft-m',
        cases: 12,
        edit_holds_many_facts: true,
        counterfact_score: null
      })
    ])
    expect(rowsIn('a.parquet').map((r: { prompt: string }) => r.prompt)).toEqual(
      json.map((r: { prompt: string }) => r.prompt)
    )
  }, 180_000)

  test.each([
    ['a history that is not there', ['history', 'nightly'], /runs: no complete run of 'nightly'|no complete run/],
    ['a number of runs that is none', ['history', '--last', '0'], /--last: must be a whole number from 1/],
    ['a significance that is none', ['history', '--significance', '0'], /--significance: must lie between 0 and 1/],
    ['an unknown ending', ['export', '--file', 'a.doc'], /--file: the format of a\.doc is not known by its ending/],
    ['Parquet on a terminal', ['export', '--format', 'parquet'], /--format: Parquet is no text/]
  ])('refuse %s', async (_, args, message) => {
    const { code, stderr } = await bench(...args)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) })
  })
})
