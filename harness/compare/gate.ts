import { z } from 'zod'
import { ANSWERED_APART, APART, PROPERTIES } from '../../datasets/types'
import { type Comparison, isLoss, type PropertyComparison } from './compare'
import { flipCells, lineName } from './text'

const share = z.number().min(0).max(1)
/** Which settings and properties a rule is about; all when it does not say. */
const which = {
  label: z.string().optional().describe('What the config calls the method'),
  model: z.string().optional(),
  dataset: z.string().optional(),
  protocol: z.string().optional().describe('As `bench compare` names it, such as `single`'),
  property: z.enum(PROPERTIES).optional(),
  kind: z
    .enum(ANSWERED_APART)
    .optional()
    .describe('A kind that is reported apart; properties alone are meant without it')
}

/** What a run must keep beside its baseline. */
export const gateRules = z.strictObject({
  significance: z
    .union([share, z.literal(false)])
    .default(0.05)
    .describe(
      'A property or a headline measure that is worse with an adjusted p below this fails; false: significance alone fails nothing'
    ),
  largest_drop: z
    .array(z.strictObject({ ...which, by: share }))
    .default([])
    .describe('A property may fall by no more than this share, significant or not'),
  floors: z
    .array(z.strictObject({ ...which, at_least: share }))
    .default([])
    .describe('A property must reach this share, whatever the baseline'),
  slowdown: z
    .number()
    .min(1)
    .optional()
    .describe('The median time per fact may grow by no more than this ratio; between equal machines only'),
  missing: z
    .enum(['fail', 'pass'])
    .default('fail')
    .describe('What a setting does that the baseline has and the run lacks, or that cannot be compared')
})

export type GateRules = z.output<typeof gateRules>

/** One thing that was checked. */
export interface GateCheck {
  /** Of its setting, for people and for test reports. */
  readonly group: string
  readonly name: string
  /** Undefined when it holds. */
  readonly failure?: string
}

/** What a machine does besides: times that differ by less are the same, whatever their ratio. */
const NOISE_MS = 5

/** Checks a run beside its baseline. */
export function gate(comparison: Comparison, rules: GateRules): GateCheck[] {
  const checks: GateCheck[] = []
  const groupOf = (c: PropertyComparison) => `${c.label} on ${c.model}, ${c.dataset}, ${c.protocol}`
  const check = (group: string, name: string, failure: string | false) =>
    void checks.push(failure === false ? { group, name } : { group, name, failure })
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`
  const shown = ({ unit }: PropertyComparison, value: number) =>
    unit === 'share' ? percent(value) : String(Number(value.toPrecision(3)))
  for (const c of comparison.properties) {
    const group = groupOf(c)
    if (c.difference === null || c.base === null || c.run === null) {
      const absent = c.note !== 'the baseline has no such setting'
      check(group, 'is comparable', rules.missing === 'fail' && absent && (c.note ?? 'it is not'))
      continue
    }
    const what = lineName(c)
    const fell = `${what} ${c.higherIsBetter ? 'fell' : 'rose'} from ${shown(c, c.base)} to ${shown(c, c.run)} (${c.lost} edits lost, ${c.won} won, adjusted p ${c.adjustedP!.toPrecision(2)})`
    if (rules.significance !== false)
      check(
        group,
        `${what} is not significantly worse`,
        isLoss(c) && c.adjustedP! < rules.significance && `${fell}${firstFlip(comparison, c)}`
      )
    for (const { by } of rules.largest_drop.filter((r) => concerns(r, c)))
      check(
        group,
        `${what} falls by no more than ${percent(by)}`,
        c.base - c.run > by + 1e-12 && `${fell}${firstFlip(comparison, c)}`
      )
  }
  for (const floor of rules.floors) {
    const own = comparison.properties.filter((c) => c.run !== null && concerns(floor, c))
    const about = Object.entries(floor).flatMap(([key, value]) => (key === 'at_least' ? [] : [`${key} ${value}`]))
    if (own.length === 0) check('floors', about.join(', ') || 'any setting', 'the run has no such number')
    for (const c of own)
      check(
        groupOf(c),
        `${lineName(c)} reaches ${percent(floor.at_least)}`,
        c.run! < floor.at_least && `${lineName(c)} is ${percent(c.run!)}${firstFlip(comparison, c)}`
      )
  }
  if (rules.slowdown !== undefined) {
    const most = rules.slowdown
    for (const e of comparison.efficiency.filter(({ what }) => what === 'time'))
      check(
        e.setting,
        `the time per fact grows by no more than × ${most}`,
        e.ratio > most &&
          e.run - e.base > NOISE_MS &&
          `it grew from ${e.base.toFixed(1)} to ${e.run.toFixed(1)} ms, × ${e.ratio.toFixed(2)}`
      )
  }
  return checks
}

function concerns(rule: Readonly<Record<string, unknown>>, c: PropertyComparison): boolean {
  const keys = ['label', 'model', 'dataset', 'protocol', 'property'] as const
  return (
    c.measure === null &&
    (rule.kind ?? null) === c.kind &&
    keys.every((key) => rule[key] === undefined || rule[key] === c[key])
  )
}

/** The first answer that was lost, to look at. */
function firstFlip({ flips }: Comparison, c: PropertyComparison): string {
  const flip = flips.find(
    (f) =>
      f.lost &&
      f.setting === c.setting &&
      f.protocol === c.protocol &&
      f.property === c.property &&
      c.measure === null &&
      (c.kind === null ? !APART.includes(f.kind) : f.kind === c.kind)
  )
  if (flip === undefined) return ''
  const [, , prompt, expected, base, run] = flipCells(flip)
  return `; first: case ${flip.caseId}, "${prompt}", expected "${expected}", the baseline said "${base}", the run says "${run}"`
}

/** The checks as JUnit XML, which CI systems show: a suite for every setting. */
export function junitXml(checks: readonly GateCheck[], seconds = 0): string {
  const groups = [...new Set(checks.map((c) => c.group))]
  const suites = groups.map((group) => {
    const own = checks.filter((c) => c.group === group)
    const cases = own.map(({ name, failure }) => {
      const about = `name="${xml(name)}" classname="${xml(group)}" time="0"`
      return failure === undefined
        ? `    <testcase ${about}/>`
        : `    <testcase ${about}>\n      <failure message="${xml(failure)}"/>\n    </testcase>`
    })
    const failures = own.filter((c) => c.failure !== undefined).length
    return `  <testsuite name="${xml(group)}" tests="${own.length}" failures="${failures}">\n${cases.join('\n')}\n  </testsuite>`
  })
  const failures = checks.filter((c) => c.failure !== undefined).length
  const about = `name="bench gate" tests="${checks.length}" failures="${failures}" time="${seconds}"`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${about}>\n${suites.join('\n')}\n</testsuites>\n`
}

/** Characters that XML cannot hold, even escaped, are left out. */
const xml = (text: string): string =>
  text
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replace(/[\n\r\t]/g, ' ')

/** What failed, as Markdown, before the comparison itself. */
export function gateMarkdown(checks: readonly GateCheck[]): string {
  const failed = checks.filter((c) => c.failure !== undefined)
  if (failed.length === 0) return `✅ all ${checks.length} checks hold`
  const lines = failed.map(
    ({ group, failure }) => `- **${group}**: ${failure!.replace(/\s+/g, ' ').replaceAll('<', '&lt;')}`
  )
  return [`❌ ${failed.length} of ${checks.length} checks fail`, '', ...new Set(lines)].join('\n')
}
