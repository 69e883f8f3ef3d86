import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { packageRoot } from './package-root'

/** Executes the commands of the workflow in docs/nightly.md, night after night, in a copy of the built project. */

const ROOT = packageRoot()
const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, 'docs', 'nightly.md'), 'utf8'))!
const steps = (parse(yaml!) as { jobs: { bench: { steps: { run?: string; if?: string }[] } } }).jobs.bench.steps

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'bench-nightly-'))
  for (const part of ['dist', 'configs', 'reports', 'package.json', 'harness/model/embedded'])
    cpSync(join(ROOT, part), join(dir, part), { recursive: true })
  mkdirSync(join(dir, 'bin'))
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  // What npm links, without an installation: the workflow's first command is .ci/package's business.
  writeFileSync(
    join(dir, 'bin', 'npx'),
    `#!/bin/sh\nshift\nexec node "${join(dir, 'dist/harness/cli/main.js')}" "$@"\n`,
    { mode: 0o755 }
  )
  // As the workflow's config, but for seconds instead of minutes.
  const config = readFileSync(join(dir, 'configs', 'nightly.yaml'), 'utf8')
  const short = config
    .replace('limit: 60', 'limit: 14')
    .replace('sequential: 30', 'sequential: 6')
    .replace('[10, 30]', '[6]')
    .replace('[[5, 3], [10, 2]]', '[[5, 2]]')
  writeFileSync(join(dir, 'configs', 'nightly.yaml'), short.replace(/ {2}- name: (ft-[lm]|zsre)\n/g, ''))
  // Other tests run beside this one, so a night may well take twice the time of another.
  const rules = join(dir, 'configs', 'gate', 'nightly.yaml')
  writeFileSync(rules, readFileSync(rules, 'utf8').replace('slowdown: 2', 'slowdown: 100'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** @returns what the steps ended with and said; after a failure only those that always run */
function night(): { failed: string[]; summary: string; said: string } {
  const failed: string[] = []
  let said = ''
  const summary = join(dir, 'step-summary')
  rmSync(summary, { force: true })
  for (const { run, if: when } of steps) {
    if (run === undefined || run.startsWith('npm ci') || (failed.length > 0 && when !== 'always()')) continue
    const env = { ...process.env, PATH: `${join(dir, 'bin')}:${process.env.PATH}`, GITHUB_STEP_SUMMARY: summary }
    const { status, stdout, stderr } = spawnSync('bash', ['-ec', run], { cwd: dir, env, encoding: 'utf8' })
    said += stdout + stderr
    if (status !== 0) failed.push(run)
  }
  return { failed, summary: readFileSync(summary, 'utf8'), said }
}

it('passes healthy nights, names what a planted mistake breaks, and goes on from the last good night', () => {
  expect(steps.filter((s) => s.run !== undefined).length).toBeGreaterThanOrEqual(5)
  const first = night()
  expect(first).toMatchObject({ failed: [], summary: expect.stringContaining('the first baseline') })
  const second = night()
  expect(second).toMatchObject({ failed: [], summary: expect.stringMatching(/^✅ all \d+ checks hold/) })

  // ROME without the second moment: it writes, and others' facts with it.
  const file = join(dir, 'dist', 'methods', 'rome', 'insert.js')
  const healthy = readFileSync(file, 'utf8')
  const broken = healthy.replace('C?.factor.solve(direction) ?? direction', 'direction')
  expect(broken).not.toBe(healthy)
  writeFileSync(file, broken)
  const third = night()
  expect(third.failed).toEqual([expect.stringContaining('bench gate latest')])
  expect(third.summary).toMatch(/^❌ \d+ of \d+ checks fail/)
  expect(third.summary).toMatch(
    /- \*\*rome on gptj-mini, counterfact, single\*\*: locality fell from .*; first: case counterfact-\d+, "/
  )
  expect(third.summary).not.toMatch(/- \*\*regex-patch/)
  expect(readFileSync(join(dir, 'site', 'index.html'), 'utf8')).toContain('Model editing leaderboard')
  const feed = () => readFileSync(join(dir, 'site', 'feed.xml'), 'utf8')
  expect(feed().match(/<title>nightly .*: gate failed/g)).toHaveLength(1)

  // Still wrong the next night: the bad night is no baseline. Mended, it passes.
  expect(night().failed).toHaveLength(1)
  writeFileSync(file, healthy)
  expect(night()).toMatchObject({ failed: [], summary: expect.stringMatching(/^✅/) })
  expect(feed().match(/<title>nightly .*: gate failed/g)).toHaveLength(2)
}, 300_000)
